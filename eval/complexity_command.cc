// hiif-eval complexity: table 3 of the paper.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/status_macros.h"
#include "eval/command_line.h"
#include "eval/commands.h"
#include "eval/complexity.h"
#include "eval/model_option.h"

namespace hiif::eval {
namespace {

struct Options {
  ModelOption model;
  std::vector<std::string> models;
  std::string size = "128";
  std::string scale = "4";
};

absl::Status Run(const Options& options) {
  std::printf("%s input, x%s\n\n", options.size.c_str(), options.scale.c_str());
  std::printf(
      "| model | parameters | multiply-adds a pixel in | a pixel out | encode s | query s | "
      "pixels/s | peak MB |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const std::string& name : options.models) {
    ModelOption option = options.model;
    option.model = name;
    HIIF_ASSIGN_OR_RETURN(const ModelCost cost, MeasureCost(option, options.size, options.scale));
    std::printf("| %s | %lld | %.0f | %.0f | %.2f | %.2f | %.0f | %.0f |\n", option.Name().c_str(),
                static_cast<long long>(cost.parameters), cost.work_per_input_pixel,
                cost.work_per_output_pixel, cost.encode_s, cost.query_s, cost.pixels_per_s,
                cost.peak_bytes / 1e6);
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

}  // namespace

int Complexity(const Arguments& arguments) {
  Options options;
  CLI::App app("Parameters, multiply-adds, time and memory of models.", "hiif-eval complexity");
  options.model.AddTo(&app, /*with_model=*/false);
  app.add_option("--models", options.models, "checkpoints, or names of some in --model-dir")
      ->delimiter(',')
      ->required();
  app.add_option("--size", options.size, "of the input: SIDE or WIDTHxHEIGHT")
      ->capture_default_str();
  app.add_option("--scale", options.scale, "factor")->capture_default_str();
  return RunCommand(&app, arguments, [&] { return Run(options); });
}

}  // namespace hiif::eval
