// hiif-eval footprint: what Upscaler::Footprint() says of a size, and the peak that is measured.
// Of a checkpoint, or of an encoder of given sizes with random weights.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/free_pages.h"
#include "base/status_macros.h"
#include "eval/command_line.h"
#include "eval/commands.h"
#include "eval/enlarge.h"
#include "eval/measure.h"
#include "eval/model_option.h"
#include "eval/noise.h"
#include "model/encoders/encoder.h"

namespace hiif::eval {
namespace {

struct Options {
  ModelOption model;
  std::string encoder;  // NAME:SIZES as JSON
  int height = 512;
  int width = 512;
  double scale = 2;
  int threads = 0;
};

// A line of /proc/self/status, in bytes.
int64_t Memory(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    int64_t kilobytes = 0;
    if (line.starts_with(name + ":") &&
        std::sscanf(line.c_str() + name.size() + 1, "%ld", &kilobytes) == 1)
      return kilobytes * 1024;
  }
  return 0;
}

// The highest resident size is from now on that of what follows.
void ResetPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

// A checkpoint of the encoder and the default decoder, uniform within 1 / sqrt(inputs).
absl::Status WriteRandom(const std::string& encoder, const std::string& path) {
  const size_t colon = encoder.find(':');
  const std::string name = encoder.substr(0, colon);
  const auto sizes = nlohmann::json::parse(
      colon == std::string::npos ? "" : encoder.substr(colon + 1), nullptr, false);
  ModelConfig config;
  auto metadata = ConfigMetadata(config);
  metadata["encoder"] = name;
  metadata["encoder_config"] = sizes.is_discarded() ? "" : sizes.dump();
  HIIF_ASSIGN_OR_RETURN(config, ConfigFromMetadata(metadata));
  std::mt19937 random(1);
  std::map<std::string, std::vector<float>> values;
  std::map<std::string, TensorToWrite> tensors;
  for (const auto& [tensor, shape] : ParameterShapes(config)) {
    int64_t size = 1;
    for (const int64_t side : shape) size *= side;
    const double bound = 1.0 / std::sqrt(static_cast<double>(size) / static_cast<double>(shape[0]));
    std::uniform_real_distribution<float> uniform(-static_cast<float>(bound),
                                                  static_cast<float>(bound));
    std::vector<float>& value = values[tensor];
    for (int64_t i = 0; i < size; ++i) value.push_back(uniform(random));
    tensors[tensor] = {TensorType::kF32,
                       shape,
                       {reinterpret_cast<const uint8_t*>(value.data()), value.size() * 4}};
  }
  return WriteSafetensors(path, tensors, ConfigMetadata(config));
}

absl::Status Run(Options options) {
  const std::string written = absl::StrCat("/tmp/hiif-footprint-", getpid(), ".safetensors");
  const auto remove = absl::MakeCleanup([&] { unlink(written.c_str()); });
  if (!options.encoder.empty()) {
    HIIF_RETURN_IF_ERROR(WriteRandom(options.encoder, written));
    options.model.model = written;
  }
  HIIF_ASSIGN_OR_RETURN(const auto upscaler, options.model.Make());
  SetIntraOpThreads(1);
  EnlargeOptions enlarge;
  enlarge.threads = ThreadsOf(options.threads);
  const auto run = [&](int height, int width, const Grid& grid) {
    return EnlargeTiles(*upscaler, Noise({height, width}), grid, enlarge, [](const RenderTile&) {})
        .status();
  };
  // What LibTorch keeps for itself after its first call is not of a request.
  HIIF_RETURN_IF_ERROR(run(64, 64, {128, 128}));
  const Grid grid{std::llround(options.height * options.scale),
                  std::llround(options.width * options.scale)};
  const MemoryFootprint footprint = upscaler->Footprint({options.height, options.width}, grid,
                                                        {0, 0, grid.width, grid.height}, {});
  ReleaseFreePages();
  ResetPeak();
  const int64_t before = Memory("VmRSS");
  HIIF_RETURN_IF_ERROR(run(options.height, options.width, grid));
  const int64_t image = int64_t{3} * options.height * options.width;
  const int64_t peak = Memory("VmHWM") - before - image;
  const int64_t said = footprint.Peak(enlarge.threads);
  std::printf(
      "{\"identity\": \"%s\", \"height\": %d, \"width\": %d, \"threads\": %d, \"weights\": %ld, "
      "\"features\": %ld, \"context\": %ld, \"encode_worker\": %ld, \"context_worker\": %ld, "
      "\"decode_worker\": %ld, \"footprint\": %ld, \"measured\": %ld, \"ratio\": %.3f}\n",
      upscaler->identity().c_str(), options.height, options.width, enlarge.threads,
      footprint.weights, footprint.features, footprint.context, footprint.encode_worker,
      footprint.context_worker, footprint.decode_worker, said, peak,
      static_cast<double>(peak) / static_cast<double>(said));
  return absl::OkStatus();
}

}  // namespace

int Footprint(const Arguments& arguments) {
  Options options;
  CLI::App app("Memory of a request: what the model says, and what is measured, as JSON.",
               "hiif-eval footprint");
  options.model.AddTo(&app);
  app.add_option(
      "--encoder", options.encoder,
      "in place of --model: an encoder with random weights, NAME:SIZES, as a checkpoint's "
      "metadata have them");
  app.add_option("--height", options.height, "of the image")->check(CLI::Range(8, 20000));
  app.add_option("--width", options.width, "of the image")->check(CLI::Range(8, 20000));
  app.add_option("--scale", options.scale, "of the output")->check(CLI::Range(1.0, 32.0));
  app.add_option("--threads", options.threads, "workers; 0: one a core");
  return RunCommand(&app, arguments, [&] { return Run(options); });
}

}  // namespace hiif::eval
