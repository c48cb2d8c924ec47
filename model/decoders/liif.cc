// LIIF: sizes and parameters, and the decoder on tensors (model.md 3).
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/checkpoint/object_reader.h"
#include "model/decoders/decoder.h"
#include "model/decoders/queries.h"

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

at::Tensor LiifDecode(const Network& network, const at::Tensor& features,
                      const QueryTensors& queries) {
  const Scope imnet(network.parameters, "imnet.layers.");
  const int layers = static_cast<int>(network.config.decoder.liif()->hidden.size()) + 1;
  const at::Tensor gathered = Gather(features, queries.neighbour);
  const at::Tensor cell = PerQuery(queries.cell, gathered.size(1));
  at::Tensor sum;
  for (int k = 0; k < 4; ++k) {
    at::Tensor x = at::cat({gathered.select(2, k), queries.distance.select(2, k) * 2.0, cell}, -1);
    for (int layer = 0; layer < layers; ++layer) {
      x = Linear(x, imnet.Below(absl::StrCat(2 * layer)));
      if (layer + 1 < layers) x = at::relu(x);
    }
    x = x * queries.weight.select(2, k).unsqueeze(-1);
    sum = sum.defined() ? sum + x : x;
  }
  return sum;
}

}  // namespace hiif
