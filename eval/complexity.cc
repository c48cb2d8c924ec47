#include "eval/complexity.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/decoders/types.h"
#include "nlohmann/json.hpp"

namespace hiif::eval {
namespace {

double Elements(const std::vector<int64_t>& shape) {
  double size = 1;
  for (const int64_t side : shape) size *= static_cast<double>(side);
  return size;
}

// What the network is, as written: without the attention of SwinIR's windows.
ModelCost Counted(const ModelConfig& config) {
  ModelCost out;
  const DecoderWork work =
      TypeOf(config.decoder).work(config.decoder, EncoderFeatures(config.encoder));
  out.work_per_input_pixel = work.per_input_pixel;
  out.work_per_output_pixel = work.per_output_pixel;
  for (const auto& [name, shape] : ParameterShapes(config)) {
    if (!absl::StartsWith(name, "encoder.")) {
      out.decoder_parameters += static_cast<int64_t>(Elements(shape));
    } else if (shape.size() >= 2 && !absl::StrContains(name, "relative_position")) {
      out.work_per_input_pixel += Elements(shape);
    }
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
  ModelCost out = Counted(checkpoint.config());
  out.parameters = checkpoint.parameters();
  HIIF_ASSIGN_OR_RETURN(const nlohmann::json speed, SpeedOf(option, size, scale));
  out.encode_s = speed["encode_s"].get<double>();
  out.query_s = speed["query_s"].get<double>();
  out.pixels_per_s = speed["output_pixels_per_s"].get<double>();
  out.peak_bytes = speed["peak_rss_bytes"].get<double>();
  return out;
}

}  // namespace hiif::eval
