#include "client/cli/command_line.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/stray_lines.h"
#include "client/cli/commands.h"
#include "client/cli/error.h"
#include "client/cli/exit_code.h"
#include "client/cli/interrupt.h"
#include "client/cli/reporter.h"
#include "client/cli/shell_text.h"
#include "imaging/decode.h"

namespace hiif::cli {
namespace {

// Of Damerau and Levenshtein: insertions, deletions, substitutions, swaps of neighbours.
int EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = static_cast<int>(i + j);
        continue;
      }
      const int change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::vector<std::string> FlagNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back(absl::StrCat("--", name));
  return names;
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

// The command that was being parsed: the one that was named, else the program itself.
const CLI::App& Parsed(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : *parsed.front();
}

int UsageError(const CLI::App& app, const std::string& message, int argc, char** argv) {
  const CLI::App& command = Parsed(app);
  const std::string name = &command == &app ? "hiif" : absl::StrCat("hiif ", command.get_name());
  std::fprintf(stderr, "%s: %s\n", name.c_str(), message.c_str());
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::string flag = word.substr(0, word.find('='));
    const bool is_flag = absl::StartsWith(word, "--");
    const std::vector<std::string> known =
        is_flag ? FlagNames(command) : (i == 1 ? CommandNames(app) : std::vector<std::string>());
    if (std::find(known.begin(), known.end(), flag) != known.end()) continue;
    const std::string suggestion = Suggestion(flag, known);
    if (suggestion.empty()) continue;
    std::fprintf(stderr, "did you mean %s instead of %s?\n", suggestion.c_str(), flag.c_str());
    break;
  }
  std::fprintf(stderr, "%s --help shows what is possible\n", name.c_str());
  return kExitUsage;
}

}  // namespace

std::string Suggestion(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  int best_distance = std::max<int>(2, static_cast<int>(word.size()) / 3) + 1;
  for (const std::string& candidate : known) {
    // A beginning of a name is a good hint too.
    const bool begins = word.size() >= 4 && absl::StartsWith(candidate, word);
    const int distance = begins ? 1 : EditDistance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

namespace {

int Run(int argc, char** argv) {
  CommandFlags flags;
  const std::unique_ptr<CLI::App> app = MakeCommandLine(&flags);
  if (argc == 1) {
    std::cerr << app->help();
    return kExitUsage;
  }
  try {
    ParseWords(app.get(), {argv + 1, argv + argc});
  } catch (const CLI::Success& e) {  // --help, --version
    return app->exit(e);
  } catch (const CLI::ParseError& e) {
    return UsageError(*app, e.what(), argc, argv);
  }
  if (app->got_subcommand("man")) {
    std::cout << ManPage(*app);
    return kExitOk;
  }
  if (app->got_subcommand("completion")) {
    const absl::StatusOr<std::string> text = Completion(*app, flags.shell);
    if (!text.ok()) return Fail("completion", text.status());
    std::cout << *text;
    return kExitOk;
  }
  // Before there are threads: it sets an environment variable.
  if (app->got_subcommand("upscale") || app->got_subcommand("compare") ||
      app->got_subcommand("query"))
    if (const absl::Status status = InitImaging(0); !status.ok()) return Fail("imaging", status);
  // Lines of libraries are for who looks closely; what ends the program is shown.
  StrayLines::Take take;
  if (flags.upscale.log.verbose)
    take = [json = flags.upscale.log.format == "json"](absl::string_view line) {
      PrintLibraryLine(json, line);
    };
  const StrayLines stray_lines(std::move(take));
  const Interrupt interrupt;
  if (app->got_subcommand("upscale")) return RunUpscale(flags.upscale, interrupt);
  if (app->got_subcommand("models")) return RunModels(flags.models, interrupt);
  if (app->got_subcommand("query")) return RunQuery(flags.query, interrupt);
  if (app->got_subcommand("bench")) return RunBench(flags.bench, interrupt);
  if (app->got_subcommand("compare")) return RunCompare(flags.compare, interrupt);
  return RunHealth(flags.health, interrupt);
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  const int code = Run(argc, argv);
  // A full disk or a closed pipe is told by the last write at the latest.
  if (std::cout.flush() && std::fflush(stdout) == 0) return code;
  std::fprintf(Console(), "hiif: standard output cannot be written\n");
  return code == kExitOk ? kExitSomeFailed : code;
}

}  // namespace hiif::cli
