// MetaSR as in LIIF's comparison: a network predicts each output pixel's filter of one 3x3
// neighbourhood (docs/decoders.md).
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "model/decoders/point_decoder.h"
#include "model/format/object_reader.h"

namespace hiif {
namespace {

class MetaSr : public PointDecoder {
 public:
  explicit MetaSr(const MetaSrConfig& config) : config_(config) {}

  std::string name() const override { return "metasr"; }
  nlohmann::json sizes() const override { return {{"hidden", config_.hidden}}; }
  bool residual() const override { return false; }
  Shapes shapes(int features) const override {
    Shapes shapes;
    AddMlp(shapes, "imnet", 3, {config_.hidden}, int64_t{27} * features);
    return shapes;
  }
  // The filter's prediction and its application.
  DecoderCost Cost(int features, Grid, Grid) const override {
    return {.query = MultiplyAdds(shapes(features)) + 27.0 * features};
  }
  int64_t CallBytes(int features) const override {
    return unit() * (int64_t{9 + 2 * 27 + 18} * features + 2 * config_.hidden) * 4;
  }

  at::Tensor Begin(const Parameters& parameters, const ImageCodes& image,
                   absl::Span<const QueryPoint> points) const override {
    const auto count = static_cast<int64_t>(points.size());
    std::vector<int64_t> index;
    std::vector<float> input;
    for (const QueryPoint& point : points) {
      const EdgePosition row = EdgeAt(point.row);
      const EdgePosition column = EdgeAt(point.column);
      index.push_back(row.index * image.size.width + column.index);
      // The rows' 1/scale, half a cell, stands for both axes.
      input.insert(input.end(),
                   {row.fraction, column.fraction, CellOf(point.row.low, point.row.high, 0) / 2});
    }
    const at::Tensor patches = GatherPatches(image, IndexTensor(index, {count}, image.codes));
    const at::Tensor filter =
        Mlp(parameters, "imnet", FloatTensor(input, {count, 3}, image.codes), 1, Relu)
            .reshape({count, patches.size(1), 3});
    return at::bmm(patches.unsqueeze(1), filter).squeeze(1);
  }

 private:
  const MetaSrConfig config_;
};

absl::StatusOr<DecoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "decoder_config");
  const MetaSrConfig config{reader.Size("hidden", 1)};
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return DecoderConfig(config);
}

std::optional<DecoderConfig> FromTensors(const Safetensors& tensors) {
  if (Dimension(tensors, "imnet.layers.0.weight", 1) != 3 || Count(tensors, "imnet.layers.") != 3) {
    return std::nullopt;
  }
  return DecoderConfig(MetaSrConfig{Dimension(tensors, "imnet.layers.0.weight", 0)});
}

}  // namespace

DecoderConfig::DecoderConfig(const MetaSrConfig& config)
    : decoder_(std::make_shared<MetaSr>(config)) {}

DecoderKind MetaSrKind() { return {"metasr", FromSizes, FromTensors}; }

}  // namespace hiif
