// EDSR-baseline: convolutions, residual blocks, a long skip.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/encoders/encoder.h"
#include "model/format/object_reader.h"
#include "model/layers/layers.h"

namespace hiif {
namespace {

class Edsr : public Encoder {
 public:
  explicit Edsr(const EdsrConfig& config) : config_(config) {}

  std::string name() const override { return "edsr-baseline"; }
  nlohmann::json sizes() const override {
    return {{"features", config_.features}, {"blocks", config_.blocks}};
  }
  int features() const override { return config_.features; }

  Shapes shapes() const override {
    const int f = config_.features;
    Shapes shapes;
    AddConv(shapes, "head.0", f, 3, 3);
    for (int block = 0; block < config_.blocks; ++block) {
      AddConv(shapes, absl::StrCat("body.", block, ".body.0"), f, f, 3);
      AddConv(shapes, absl::StrCat("body.", block, ".body.2"), f, f, 3);
    }
    AddConv(shapes, absl::StrCat("body.", config_.blocks), f, f, 3);
    return shapes;
  }

  at::Tensor Forward(const Scope& scope, const at::Tensor& image,
                     const Heartbeat& beat) const override {
    const at::Tensor head = Conv(image, scope.Below("head.0"));
    // What blocks add to keeps its precision.
    at::Tensor x = head.to(image.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
    for (int i = 0; i < config_.blocks; ++i) {
      Beat(beat);
      const Scope block = scope.Below(absl::StrCat("body.", i, ".body"));
      x = AddTo(x, Conv(Conv(x, block.Below("0")).relu_(), block.Below("2")));
    }
    return Conv(x, scope.Below(absl::StrCat("body.", config_.blocks))) + head;
  }

  bool recordable() const override { return true; }

  // A pixel for each 3x3 convolution on the longest path.
  std::optional<int64_t> receptive_field() const override { return 2 * config_.blocks + 2; }

  double Cost(int64_t height, int64_t width) const override {
    return static_cast<double>(height * width) * MultiplyAdds(shapes());
  }

  // The head, x, and what a block's convolutions read and write, which is made float32 to be added.
  int64_t Footprint(int64_t height, int64_t width, int value_bytes, bool) const override {
    const int64_t bytes = 4 * value_bytes + (value_bytes < 4 ? 8 : 0);
    return height * width * config_.features * bytes;
  }

 private:
  const EdsrConfig config_;
};

absl::StatusOr<EncoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "encoder_config");
  const EdsrConfig config{reader.Size("features", 1), reader.Size("blocks", 1)};
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return EncoderConfig(config);
}

std::optional<EncoderConfig> FromTensors(const Safetensors& tensors) {
  if (!tensors.tensors().contains("encoder.head.0.weight")) return std::nullopt;
  return EncoderConfig(EdsrConfig{Dimension(tensors, "encoder.head.0.weight", 0),
                                  std::max(0, Count(tensors, "encoder.body.") - 1)});
}

}  // namespace

EncoderConfig::EncoderConfig(const EdsrConfig& config) : encoder_(std::make_shared<Edsr>(config)) {}

EncoderKind EdsrKind() { return {"edsr-baseline", FromSizes, FromTensors}; }

}  // namespace hiif
