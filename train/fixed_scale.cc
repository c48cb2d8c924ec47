#include "train/fixed_scale.h"

#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/checkpoint/checkpoint.h"
#include "model/encoders/dat_layers.h"
#include "model/encoders/encoder.h"
#include "model/format/safetensors.h"
#include "train/initial_weights.h"
#include "train/read_parameters.h"

namespace hiif::train {

absl::StatusOr<FixedScaleNetwork> FixedScaleNetwork::Load(const std::string& path) {
  HIIF_ASSIGN_OR_RETURN(const std::shared_ptr<const Safetensors> file, Safetensors::Read(path));
  const auto error = [&](const auto&... parts) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", parts...));
  };
  const auto decoder = file->metadata().find("decoder");
  FixedScaleNetwork out;
  if (decoder != file->metadata().end() && decoder->second == "rrdbnet") {
    absl::StatusOr<RrdbNet> network = RrdbNet::Create(*file);
    if (!network.ok()) return error(network.status().message());
    out.rrdbnet_ = *std::move(network);
    out.scale_ = RrdbNet::kScale;
    out.digest_ =
        file->metadata().contains("data_sha256") ? file->metadata().at("data_sha256") : "";
    return out;
  }
  if (decoder == file->metadata().end() || decoder->second != "pixel-shuffle") {
    return error(
        "not a network of one scale; scripts/get-dat and scripts/get-realesrgan make some");
  }
  const absl::StatusOr<EncoderConfig> encoder = EncoderFromMetadata(file->metadata());
  if (!encoder.ok()) return error(encoder.status().message());
  out.network_.config.encoder = *encoder;
  const auto found = file->tensors().find("upsample.0.weight");
  if (found == file->tensors().end()) return error("tensor upsample.0.weight is missing");
  const int64_t channels = found->second.shape.empty() ? 0 : found->second.shape[0];
  while (3 * out.scale_ * out.scale_ < channels && out.scale_ <= 4) ++out.scale_;
  if (out.scale_ < 1 || out.scale_ > 4 || 3 * out.scale_ * out.scale_ != channels) {
    return error("its scale is none of 1 to 4");
  }
  auto shapes = EncoderShapes(*encoder);
  shapes["upsample.0.weight"] = {channels, EncoderFeatures(*encoder), 3, 3};
  shapes["upsample.0.bias"] = {channels};
  absl::StatusOr<Parameters> parameters = ReadParameters(*file, shapes);
  if (!parameters.ok()) return error(parameters.status().message());
  out.network_.parameters = *std::move(parameters);
  out.digest_ = EncoderDigest(out.network_);
  return out;
}

at::Tensor FixedScaleNetwork::Enlarge(const at::Tensor& image) const {
  return rrdbnet_.has_value() ? rrdbnet_->Enlarge(image) : Decode(EncodeImage(network_, image));
}

at::Tensor FixedScaleNetwork::Decode(const at::Tensor& latents) const {
  double unit = 1.0;
  at::Tensor mean = at::zeros({1, 3, 1, 1});
  const Encoder& encoder = *network_.config.encoder;
  if (encoder.name() == "dat") {
    unit = encoder.sizes().at("output_scale").get<double>();
    mean = DatMean();
  }
  const Scope upsample(network_.parameters, "upsample.0.");
  return (at::pixel_shuffle(Conv(latents / unit, upsample), scale_) + mean).clamp(0, 1);
}

}  // namespace hiif::train
