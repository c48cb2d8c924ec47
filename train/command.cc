#include "train/command.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "train/options.h"
#include "train/trainer.h"

namespace hiif::train {
namespace {

struct Sources {
  std::string run;
  std::string preset;
  std::string config;
};

void AddSources(CLI::App& app, Sources& sources) {
  app.add_option("--run", sources.run,
                 "folder of the run; made, or gone on with where there is one")
      ->required();
  std::string help = "where the options start from:";
  for (const auto& [name, what] : Presets()) absl::StrAppend(&help, "\n", name, ": ", what);
  app.add_option("--preset", sources.preset, help);
  app.add_option("--config", sources.config, "JSON file of options, as options.json of a run");
}

absl::StatusOr<TrainOptions> OptionsOf(const std::string& path) {
  HIIF_ASSIGN_OR_RETURN(const std::string json, ReadFile(path));
  absl::StatusOr<TrainOptions> options = ParseOptions(json);
  if (options.ok()) return options;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", options.status().message()));
}

bool IsThere(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// What --config or --preset names; nothing where neither is given.
absl::StatusOr<std::optional<TrainOptions>> NamedOptions(const Sources& sources) {
  absl::StatusOr<TrainOptions> options;
  if (!sources.config.empty()) {
    options = OptionsOf(sources.config);
  } else if (!sources.preset.empty()) {
    options = Preset(sources.preset);
  } else {
    return std::nullopt;
  }
  if (!options.ok()) return options.status();
  return *std::move(options);
}

// What the options are before the command line changes them. A run that ended before its first
// checkpoint has options and no state: it may still be given others to begin with.
absl::StatusOr<TrainOptions> StartingOptions(const Sources& sources, bool has_state,
                                             const std::optional<TrainOptions>& named) {
  const std::string of_run = sources.run + "/options.json";
  if (has_state) return OptionsOf(of_run);
  if (named.has_value()) return *named;
  return IsThere(of_run) ? OptionsOf(of_run) : TrainOptions{};
}

template <class T>
void AddOption(CLI::App& app, const std::string& name, T& value, const std::string& help) {
  app.add_option("--" + name, value, help)->capture_default_str();
}
template <class T>
void AddOption(CLI::App& app, const std::string& name, std::vector<T>& value,
               const std::string& help) {
  app.add_option("--" + name, value, help)->delimiter(',')->capture_default_str();
}

// The command line on top of `options`; the exit status where that is all to do.
std::optional<int> ParseArguments(int argc, const char* const* argv, Sources& sources,
                                  TrainOptions& options, std::ostream& out, std::ostream& err) {
  CLI::App app("Trains HIIF, or goes on training it.", "hiif-train");
  AddSources(app, sources);
  VisitOptions(options, [&](const char* name, auto& value, const char* help, bool) {
    AddOption(app, name, value, help);
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? kExitFinished : kExitUsage;
  }
  return std::nullopt;
}

}  // namespace

int RunCommand(int argc, const char* const* argv, const std::atomic<bool>& stop, std::ostream& out,
               std::ostream& err) {
  const auto fail = [&](int status, absl::string_view message) {
    err << "hiif-train: " << message << "\n";
    return status;
  };
  // First where the options start from, then the options themselves.
  Sources sources;
  {
    CLI::App first;
    AddSources(first, sources);
    first.set_help_flag();
    first.allow_extras();
    try {
      first.parse(argc, argv);
    } catch (const CLI::ParseError&) {
      // The second pass says what is wrong.
    }
  }
  const bool has_state = IsThere(sources.run + "/state.safetensors");
  absl::StatusOr<std::optional<TrainOptions>> named = NamedOptions(sources);
  if (!named.ok()) return fail(kExitUsage, named.status().message());
  absl::StatusOr<TrainOptions> options = StartingOptions(sources, has_state, *named);
  if (!options.ok()) return fail(kExitUsage, options.status().message());
  if (const auto status = ParseArguments(argc, argv, sources, *options, out, err)) return *status;
  if (has_state && named->has_value()) {
    // The command that began the run goes on with it; another preset would be another course.
    ParseArguments(argc, argv, sources, **named, out, err);
    const std::string differences = CourseDifferences(*options, **named);
    if (!differences.empty()) {
      return fail(kExitFailed,
                  absl::StrCat("this run was begun with other values of ", differences,
                               " than --preset or --config asks for; leave it away to go on as it "
                               "was, or choose another --run"));
    }
  }
  TrainHooks hooks;
  hooks.say = [&](const std::string& line) { out << line << std::endl; };
  hooks.stop = &stop;
  const absl::StatusOr<Outcome> outcome = Train(*options, sources.run, hooks);
  if (!outcome.ok()) return fail(kExitFailed, outcome.status().message());
  if (*outcome == Outcome::kStopped) {
    out << "stopped; hiif-train --run " << sources.run << " goes on" << std::endl;
    return kExitStopped;
  }
  out << "finished: " << sources.run << "/weights.safetensors" << std::endl;
  return kExitFinished;
}

}  // namespace hiif::train
