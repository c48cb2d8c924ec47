// hiif-eval speed: output pixels a second and memory of one backend, on images of random pixels
// (the work does not depend on what they are).
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "eval/benchmark_set.h"
#include "eval/command_line.h"
#include "eval/commands.h"
#include "eval/enlarge.h"
#include "eval/measure.h"
#include "eval/model_option.h"
#include "eval/noise.h"
#include "model/config.h"
#include "model/upscaler/device_memory.h"

namespace hiif::eval {
namespace {

// Multiply-adds that an output pixel takes at least: 0.94 M for the decoder of the paper (model.md
// 2.3), nearly all of it products with width x width weights, which narrower ones have fewer of.
std::optional<double> LeastMultiplyAdds(const DecoderConfig& decoder) {
  const auto products = [](const HiifConfig& c) {
    return double{1} * c.width * c.width * (2 * (c.levels - 1) + 2 * c.attention_blocks);
  };
  const auto* hiif = decoder.hiif();
  if (hiif == nullptr) return std::nullopt;
  return 0.94e6 * products(*hiif) / products(HiifConfig{});
}

struct Options {
  ModelOption model;
  std::string size = "128";
  std::string scale = "4";
  int threads = 0;
  int64_t context_samples = kDefaultContextSamples;
  int repeat = 1;
  bool against_reference = false;
  bool json = false;
};

struct Workload {
  Grid low;
  EvalScale scale;
};

absl::StatusOr<Grid> ParseSize(const std::string& text) {
  int height = 0;
  int width = 0;
  const int parts = std::sscanf(text.c_str(), "%dx%d", &width, &height);
  if (parts == 1) height = width;
  if (parts < 1 || height < 1 || width < 1)
    return absl::InvalidArgumentError("--size: SIDE or WIDTHxHEIGHT is needed");
  return Grid{height, width};
}

// A size and a factor each; one of either goes with all of the other.
absl::StatusOr<std::vector<Workload>> ParseWorkloads(const Options& options) {
  std::vector<Grid> sizes;
  for (const std::string& text : std::vector<std::string>(absl::StrSplit(options.size, ','))) {
    HIIF_ASSIGN_OR_RETURN(sizes.emplace_back(), ParseSize(text));
  }
  HIIF_ASSIGN_OR_RETURN(const std::vector<EvalScale> scales, ParseScales(options.scale));
  const size_t count = std::max(sizes.size(), scales.size());
  if ((sizes.size() != count && sizes.size() != 1) ||
      (scales.size() != count && scales.size() != 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--size names ", sizes.size(), " and --scale ", scales.size(),
                     ": as many of each are needed, or one of either"));
  }
  std::vector<Workload> workloads;
  for (size_t i = 0; i < count; ++i) {
    workloads.push_back({sizes[sizes.size() == 1 ? 0 : i], scales[scales.size() == 1 ? 0 : i]});
  }
  return workloads;
}

// dB of the output for a small image against that of the backend `reference`; infinite: the same.
absl::StatusOr<double> PsnrToReference(const Options& options, const Upscaler& upscaler,
                                       const EvalScale& scale) {
  constexpr Grid kSize = {48, 48};
  ModelOption other = options.model;
  other.backend = "reference";
  other.precision = "float32";
  HIIF_ASSIGN_OR_RETURN(const auto reference, other.Make());
  EnlargeOptions enlarge;
  enlarge.context_samples = options.context_samples;
  const Grid grid = Enlarged(kSize, scale);
  HIIF_ASSIGN_OR_RETURN(const auto ours, Enlarge(upscaler, Noise(kSize), grid, enlarge));
  HIIF_ASSIGN_OR_RETURN(const auto theirs, Enlarge(*reference, Noise(kSize), grid, enlarge));
  double squares = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    const double difference = double{ours[i]} - theirs[i];
    squares += difference * difference;
  }
  return -10 * std::log10(squares / static_cast<double>(ours.size()));
}

EnlargeOptions EnlargeOptionsOf(const Options& options, const Upscaler& upscaler) {
  // The reference goes as the released code does: strips of 30 rows, the threads inside of each
  // operation. The others decode a tile on each thread.
  EnlargeOptions enlarge;
  enlarge.context_samples = options.context_samples;
  if (upscaler.backend() == "reference") {
    enlarge.tile_rows = 30;
    enlarge.tile_columns = 0;
    return enlarge;
  }
  enlarge.threads = ThreadsOf(options.threads);
  // Enough for a device to be busy with, and enough of them for the threads.
  if (options.model.device != "cpu") enlarge.tile_rows = enlarge.tile_columns / 2;
  return enlarge;
}

absl::Status Measure(const Options& options, const Upscaler& upscaler, const Workload& workload) {
  const Grid low = workload.low;
  const Grid grid = Enlarged(low, workload.scale);
  const EnlargeOptions enlarge = EnlargeOptionsOf(options, upscaler);
  const std::shared_ptr<const RgbImage> image = Noise(low);
  const bool on_device = options.model.device != "cpu";
  if (on_device) HIIF_RETURN_IF_ERROR(ResetDevicePeak(options.model.device));
  EnlargeTimes best;
  for (int i = 0; i < options.repeat; ++i) {
    HIIF_ASSIGN_OR_RETURN(const EnlargeTimes times,
                          EnlargeTiles(upscaler, image, grid, enlarge, [](const RenderTile&) {}));
    if (i == 0 || times.encode_s + times.query_s < best.encode_s + best.query_s) best = times;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::string device_peak = "null";
  if (on_device) {
    HIIF_ASSIGN_OR_RETURN(const DeviceMemory memory, ReadDeviceMemory(options.model.device));
    device_peak = absl::StrCat(memory.peak);
  }
  const double pixels = static_cast<double>(grid.height * grid.width);
  const double speed = pixels / (best.encode_s + best.query_s);
  HIIF_ASSIGN_OR_RETURN(const Checkpoint checkpoint, options.model.Open());
  const auto work = LeastMultiplyAdds(checkpoint.config().decoder);
  const std::string query_gflops =
      work.has_value() ? absl::StrFormat("%.3f", pixels * *work * 2 / best.query_s * 1e-9) : "null";
  std::string psnr = "null";
  if (options.against_reference) {
    HIIF_ASSIGN_OR_RETURN(const double db, PsnrToReference(options, upscaler, workload.scale));
    if (std::isfinite(db)) psnr = absl::StrFormat("%.2f", db);
  }
  const char* format =
      options.json
          ? "{\"model\": \"%s\", \"backend\": \"%s\", \"precision\": \"%s\", \"threads\": %d, "
            "\"input_height\": %d, \"input_width\": %d, \"output_height\": %d, \"output_width\": "
            "%d, \"output_pixels_per_s\": %.1f, \"encode_s\": %.6f, \"query_s\": %.6f, "
            "\"query_gflops\": %s, \"peak_rss_bytes\": %d, \"device_peak_bytes\": %s, "
            "\"psnr_to_reference_db\": %s}\n"
          : "model %s, backend %s, %s, %d threads, %dx%d to %dx%d (height x width)\n"
            "%.0f output pixels/s (encode %.3f s, query %.3f s), query at least %s GFLOP/s, peak "
            "memory %d bytes (of the device: %s), %s dB to the reference\n";
  std::printf("%s", absl::StrFormat(*absl::ParsedFormat<'s', 's', 's', 'd', 'd', 'd', 'd', 'd', 'f',
                                                        'f', 'f', 's', 'd', 's', 's'>::New(format),
                                    options.model.Name(), upscaler.backend(), upscaler.precision(),
                                    ThreadsOf(options.threads), low.height, low.width, grid.height,
                                    grid.width, speed, best.encode_s, best.query_s, query_gflops,
                                    int64_t{usage.ru_maxrss} * 1024, device_peak, psnr)
                        .c_str());
  std::fflush(stdout);  // each as it is known
  return absl::OkStatus();
}

absl::Status Run(const Options& options) {
  HIIF_ASSIGN_OR_RETURN(const std::vector<Workload> workloads, ParseWorkloads(options));
  HIIF_ASSIGN_OR_RETURN(const auto upscaler, options.model.Make());
  SetIntraOpThreads(upscaler->backend() == "reference" ? ThreadsOf(options.threads) : 1);
  for (const Workload& workload : workloads) {
    HIIF_RETURN_IF_ERROR(Measure(options, *upscaler, workload));
  }
  return absl::OkStatus();
}

}  // namespace

int Speed(const Arguments& arguments) {
  Options options;
  CLI::App app("Output pixels a second and peak memory of one model and backend.",
               "hiif-eval speed");
  options.model.AddTo(&app);
  app.add_option("--size", options.size,
                 "of the input: SIDE or WIDTHxHEIGHT; or a list of them, each with its --scale")
      ->capture_default_str();
  app.add_option("--scale", options.scale, "factor; 2x3.1 is 2 across and 3.1 down; or a list")
      ->capture_default_str();
  app.add_option("--threads", options.threads, "0: one a core")->capture_default_str();
  app.add_option("--context-samples", options.context_samples,
                 "pixels the attention context is taken over; 0: all")
      ->capture_default_str();
  app.add_option("--repeat", options.repeat, "runs, of which the fastest counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--against-reference", options.against_reference,
               "PSNR of the output for 48 x 48 pixels against that of the backend reference");
  app.add_flag("--json", options.json, "a JSON object on a line for each size");
  return RunCommand(&app, arguments, [&] { return Run(options); });
}

}  // namespace hiif::eval
