#include "eval/complexity.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "eval/benchmark_set.h"
#include "model/decoders/decoder.h"
#include "model/encoders/encoder.h"

namespace hiif::eval {
namespace {

// What the network is, as written: without the attention of SwinIR's windows; of CLIT the stages of
// this scale.
ModelCost Counted(const ModelConfig& config, double scale) {
  constexpr int64_t kSide = 1000;
  const auto high = static_cast<int64_t>(kSide * scale);
  const int features = config.encoder->features();
  const DecoderCost cost = config.decoder->Cost(features, {kSide, kSide}, {high, high});
  ModelCost out;
  out.work_per_input_pixel = MultiplyAdds(config.encoder->shapes()) + cost.pixel;
  out.work_per_output_pixel = cost.query;
  for (const auto& [name, shape] : config.decoder->shapes(features)) {
    int64_t size = 1;
    for (const int64_t side : shape) size *= side;
    out.decoder_parameters += size;
  }
  return out;
}

absl::StatusOr<nlohmann::json> SpeedOf(const ModelOption& option, const std::string& size,
                                       const std::string& scale) {
  std::array<char, 4096> self{};
  const ssize_t length = readlink("/proc/self/exe", self.data(), self.size() - 1);
  if (length <= 0) return absl::InternalError("cannot tell where hiif-eval is");
  const std::string command = absl::StrFormat(
      "'%s' speed --json --model '%s' --size '%s' --scale '%s' --backend %s --precision %s "
      "--device %s",
      self.data(), option.Path(), size, scale, option.backend, option.precision, option.device);
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

}  // namespace

absl::StatusOr<ModelCost> MeasureCost(const ModelOption& option, const std::string& size,
                                      const std::string& scale) {
  HIIF_ASSIGN_OR_RETURN(const Checkpoint checkpoint, option.Open());
  HIIF_ASSIGN_OR_RETURN(const auto scales, ParseScales(scale));
  ModelCost out = Counted(checkpoint.config(), std::max(scales[0].x, scales[0].y));
  out.parameters = checkpoint.parameters();
  HIIF_ASSIGN_OR_RETURN(const nlohmann::json speed, SpeedOf(option, size, scale));
  out.encode_s = speed["encode_s"].get<double>();
  out.query_s = speed["query_s"].get<double>();
  out.pixels_per_s = speed["output_pixels_per_s"].get<double>();
  out.peak_bytes = speed["peak_rss_bytes"].get<double>();
  return out;
}

}  // namespace hiif::eval
