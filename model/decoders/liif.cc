// LIIF: sizes and parameters (model.md 3); its decoder on tensors is model/hiif/liif_tensors.cc.
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "model/decoders/decoder.h"
#include "model/format/object_reader.h"

namespace hiif {
namespace {

class LiifDecoder : public Decoder {
 public:
  explicit LiifDecoder(LiifConfig config) : config_(std::move(config)) {}

  std::string name() const override { return "liif"; }
  nlohmann::json sizes() const override { return {{"hidden", config_.hidden}}; }
  bool residual() const override { return false; }
  const LiifConfig* liif() const override { return &config_; }

  Shapes shapes(int features) const override {
    Shapes shapes;
    AddMlp(shapes, "imnet", int64_t{9} * features + 4, config_.hidden, 3);
    return shapes;
  }
  // At each of the four neighbours.
  DecoderCost Cost(int features, Grid, Grid) const override {
    return {.query = 4 * MultiplyAdds(shapes(features))};
  }

 private:
  const LiifConfig config_;
};

absl::StatusOr<DecoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "decoder_config");
  const LiifConfig config{reader.Sizes("hidden")};
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return DecoderConfig(config);
}

std::optional<DecoderConfig> FromTensors(const Safetensors& tensors) {
  if (!tensors.tensors().contains("imnet.layers.0.weight")) return std::nullopt;
  return DecoderConfig(LiifConfig{HiddenOfMlp(tensors, "imnet")});
}

}  // namespace

DecoderConfig::DecoderConfig(const LiifConfig& config)
    : decoder_(std::make_shared<LiifDecoder>(config)) {}

DecoderKind LiifKind() { return {"liif", FromSizes, FromTensors}; }

}  // namespace hiif
