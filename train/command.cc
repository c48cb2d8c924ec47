#include "train/command.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <ostream>
#include <string>

#include "absl/strings/match.h"
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

// What the options are before the command line changes them. A run that ended before its first
// checkpoint has options and no state: it may still be given others to begin with.
absl::StatusOr<TrainOptions> StartingOptions(const Sources& sources) {
  const std::string of_run = sources.run + "/options.json";
  const auto is_there = [](const std::string& path) {
    std::error_code error;
    return std::filesystem::exists(path, error);
  };
  if (is_there(sources.run + "/state.safetensors")) return OptionsOf(of_run);
  if (!sources.config.empty()) return OptionsOf(sources.config);
  if (!sources.preset.empty()) return Preset(sources.preset);
  return is_there(of_run) ? OptionsOf(of_run) : TrainOptions{};
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
  absl::StatusOr<TrainOptions> options = StartingOptions(sources);
  if (!options.ok()) return fail(kExitUsage, options.status().message());
  CLI::App app("Trains HIIF, or goes on training it.", "hiif-train");
  AddSources(app, sources);
  VisitOptions(*options, [&](const char* name, auto& value, const char* help, bool) {
    AddOption(app, name, value, help);
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? kExitFinished : kExitUsage;
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
