// hiif-eval complexity: table 3 of the paper. Seconds and memory are those of `hiif-eval speed`,
// run as a process of its own for each model, so that the peak memory is that model's.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "eval/command_line.h"
#include "eval/commands.h"
#include "eval/model_option.h"
#include "nlohmann/json.hpp"

namespace hiif::eval {
namespace {

struct Options {
  ModelOption model;
  std::vector<std::string> models;
  std::string size = "128";
  std::string scale = "4";
};

// Multiply-adds of the products as the network is written, without the attention of SwinIR's
// windows.
struct Work {
  int64_t per_input_pixel = 0;
  int64_t per_output_pixel = 0;
};

Work WorkOf(const ModelConfig& config) {
  Work work;
  int64_t neighbours = 1;
  if (std::holds_alternative<LiifConfig>(config.decoder)) neighbours = 4;
  for (const auto& [name, shape] : ParameterShapes(config)) {
    if (shape.size() < 2 || absl::StrContains(name, "relative_position")) continue;
    int64_t size = 1;
    for (const int64_t side : shape) size *= side;
    if (absl::StartsWith(name, "encoder.") || absl::StartsWith(name, "freq.")) {
      work.per_input_pixel += size;
    } else {
      work.per_output_pixel += size * neighbours;
    }
  }
  if (const auto* hiif = std::get_if<HiifConfig>(&config.decoder)) {
    // k^T v of each head, and q times the result.
    const int64_t head = hiif->width / hiif->heads;
    work.per_output_pixel += int64_t{hiif->attention_blocks} * 2 * hiif->width * head;
  }
  return work;
}

absl::StatusOr<nlohmann::json> SpeedOf(const Options& options, const std::string& path) {
  std::array<char, 4096> self{};
  const ssize_t length = readlink("/proc/self/exe", self.data(), self.size() - 1);
  if (length <= 0) return absl::InternalError("cannot tell where hiif-eval is");
  const std::string command = absl::StrFormat(
      "'%s' speed --json --model '%s' --size '%s' --scale '%s' --backend %s --precision %s "
      "--device %s",
      self.data(), path, options.size, options.scale, options.model.backend,
      options.model.precision, options.model.device);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  if (pipe == nullptr) return absl::InternalError("cannot start hiif-eval speed");
  std::string text;
  std::array<char, 4096> part{};
  while (const size_t read = fread(part.data(), 1, part.size(), pipe.get()))
    text.append(part.data(), read);
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::InternalError("hiif-eval speed failed, see above");
  return json;
}

absl::Status Run(const Options& options) {
  std::printf("%s input, x%s\n\n", options.size.c_str(), options.scale.c_str());
  std::printf(
      "| model | parameters | multiply-adds a pixel in | a pixel out | encode s | query s | "
      "pixels/s | peak MB |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const std::string& name : options.models) {
    ModelOption option = options.model;
    option.model = name;
    HIIF_ASSIGN_OR_RETURN(const Checkpoint checkpoint, option.Open());
    const Work work = WorkOf(checkpoint.config());
    HIIF_ASSIGN_OR_RETURN(const nlohmann::json speed, SpeedOf(options, option.Path()));
    std::printf("| %s | %lld | %lld | %lld | %.2f | %.2f | %.0f | %.0f |\n", option.Name().c_str(),
                static_cast<long long>(checkpoint.parameters()),
                static_cast<long long>(work.per_input_pixel),
                static_cast<long long>(work.per_output_pixel), speed["encode_s"].get<double>(),
                speed["query_s"].get<double>(), speed["output_pixels_per_s"].get<double>(),
                speed["peak_rss_bytes"].get<double>() / 1e6);
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
