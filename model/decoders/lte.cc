// LTE: each neighbour's amplitudes times cosines and sines of its frequencies at the distance
// (docs/decoders.md).
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/status_macros.h"
#include "model/decoders/point_decoder.h"
#include "model/format/object_reader.h"

namespace hiif {
namespace {

class Lte : public PointDecoder {
 public:
  explicit Lte(LteConfig config) : config_(std::move(config)) {}

  std::string name() const override { return "lte"; }
  nlohmann::json sizes() const override {
    return {{"features", config_.features},
            {"hidden", config_.hidden},
            {"cell_limit", config_.cell_limit}};
  }
  float Cell(double low, double high) const override {
    return LimitedCell(low, high, config_.cell_limit);
  }
  Shapes shapes(int features) const override {
    Shapes shapes;
    AddConv(shapes, "coef", config_.features, features, 3);
    AddConv(shapes, "freq", config_.features, features, 3);
    shapes["phase.weight"] = {config_.features / 2, 2};
    AddMlp(shapes, "imnet", config_.features, config_.hidden, 3);
    return shapes;
  }
  // The network at each of the four neighbours.
  DecoderCost Cost(int features, Grid, Grid) const override {
    const double pixel = 18.0 * features * config_.features;
    return {.pixel = pixel, .query = 4 * (MultiplyAdds(shapes(features)) - pixel)};
  }
  // Of the neighbours, as many pixels as points at most: patches, amplitudes and frequencies.
  int64_t CallBytes(int features) const override {
    const int widest = *std::max_element(config_.hidden.begin(), config_.hidden.end());
    return unit() * 4 * (int64_t{4} * 18 * features + 4 * 4 * config_.features) +
           unit() * 4 * (int64_t{6} * config_.features + 2 * widest + 128);
  }

  at::Tensor Begin(const Parameters& parameters, const ImageCodes& image,
                   absl::Span<const QueryPoint> points) const override {
    const auto count = static_cast<int64_t>(points.size());
    PairTensors pairs = MakePairs(points, config_.cell_limit, image.codes);
    const std::vector<int64_t> pixels = UniquePixels(pairs.index);
    const at::Tensor places = IndexTensor(pairs.index, {count, 4}, image.codes);
    const at::Tensor both =
        ConvAt(image, IndexTensor(pixels, {static_cast<int64_t>(pixels.size())}, image.codes),
               {Scope(parameters, "coef."), Scope(parameters, "freq.")});
    const at::Tensor amplitude = both.slice(1, 0, config_.features);
    const at::Tensor frequency = both.slice(1, config_.features);
    const at::Tensor phase = at::linear(pairs.cell, parameters.at("phase.weight"));  // (Q,D/2)
    at::Tensor sum;
    for (int k = 0; k < 4; ++k) {
      const at::Tensor place = places.select(1, k);
      // Even channels go with rows, odd ones with columns.
      const at::Tensor turns =
          (frequency.index_select(0, place).reshape({count, config_.features / 2, 2}) *
           pairs.distance.select(1, k).unsqueeze(1))
              .sum(-1) +
          phase;
      const at::Tensor angle = turns * static_cast<float>(std::numbers::pi);
      const at::Tensor basis = at::cat({at::cos(angle), at::sin(angle)}, -1);
      const at::Tensor out = Mlp(parameters, "imnet", amplitude.index_select(0, place) * basis,
                                 config_.hidden.size(), Relu) *
                             pairs.weight.select(1, k).unsqueeze(-1);
      sum = sum.defined() ? sum + out : out;
    }
    return sum;
  }

 private:
  const LteConfig config_;
};

absl::StatusOr<DecoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "decoder_config");
  const LteConfig config{reader.Size("features", 2), reader.Sizes("hidden"),
                         reader.Size("cell_limit", 0)};
  if (config.features % 2 != 0) reader.Fail("has an odd number of features");
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return DecoderConfig(config);
}

std::optional<DecoderConfig> FromTensors(const Safetensors& tensors) {
  const int features = Dimension(tensors, "coef.weight", 0);
  if (features == 0) return std::nullopt;
  return DecoderConfig(LteConfig{features, HiddenOfMlp(tensors, "imnet")});
}

}  // namespace

DecoderConfig::DecoderConfig(const LteConfig& config) : decoder_(std::make_shared<Lte>(config)) {}

DecoderKind LteKind() { return {"lte", FromSizes, FromTensors}; }

}  // namespace hiif
