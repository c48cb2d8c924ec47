// hiif-eval complexity: table 3 of the paper. Seconds and memory are those of `hiif-eval speed`,
// run as a process of its own for each model, so that the peak memory is that model's.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "eval/benchmark_set.h"
#include "eval/command_line.h"
#include "eval/commands.h"
#include "eval/model_option.h"
#include "model/decoders/decoder.h"
#include "model/encoders/encoder.h"
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
// windows; of CLIT the stages of this scale.
struct Work {
  double per_input_pixel = 0;
  double per_output_pixel = 0;
};

Work WorkOf(const ModelConfig& config, double scale) {
  constexpr int64_t kSide = 1000;
  const auto high = static_cast<int64_t>(kSide * scale);
  const DecoderCost cost =
      config.decoder->Cost(config.encoder->features(), {kSide, kSide}, {high, high});
  return {MultiplyAdds(config.encoder->shapes()) + cost.pixel, cost.query};
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
    HIIF_ASSIGN_OR_RETURN(const auto scales, ParseScales(options.scale));
    const Work work = WorkOf(checkpoint.config(), std::max(scales[0].x, scales[0].y));
    HIIF_ASSIGN_OR_RETURN(const nlohmann::json speed, SpeedOf(options, option.Path()));
    std::printf("| %s | %lld | %.0f | %.0f | %.2f | %.2f | %.0f | %.0f |\n", option.Name().c_str(),
                static_cast<long long>(checkpoint.parameters()), work.per_input_pixel,
                work.per_output_pixel, speed["encode_s"].get<double>(),
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
