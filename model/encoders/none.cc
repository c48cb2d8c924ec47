// No encoder: the normalised image is what the decoder sees.
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "model/encoders/encoder.h"
#include "model/format/object_reader.h"
#include "model/layers/layers.h"

namespace hiif {
namespace {

class None : public Encoder {
 public:
  std::string name() const override { return "none"; }
  nlohmann::json sizes() const override { return nlohmann::json::object(); }
  int features() const override { return 3; }
  Shapes shapes() const override { return {}; }
  at::Tensor Forward(const Scope&, const at::Tensor& image, const Heartbeat&) const override {
    return image;
  }
  std::optional<int64_t> receptive_field() const override { return 0; }
  bool keeps_float32() const override { return true; }
  // There are no products; what costs is to write the values.
  double Cost(int64_t height, int64_t width) const override {
    return 3.0 * static_cast<double>(height * width);
  }
  int64_t Footprint(int64_t height, int64_t width, int value_bytes, bool) const override {
    return height * width * 3 * value_bytes;
  }
};

absl::StatusOr<EncoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "encoder_config");
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return EncoderConfig(NoEncoderConfig{});
}

// No tensors tell.
std::optional<EncoderConfig> FromTensors(const Safetensors&) { return std::nullopt; }

}  // namespace

EncoderConfig::EncoderConfig(const NoEncoderConfig&) : encoder_(std::make_shared<None>()) {}

EncoderKind NoneKind() { return {"none", FromSizes, FromTensors}; }

}  // namespace hiif
