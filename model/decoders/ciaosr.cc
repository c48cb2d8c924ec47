// CiaoSR: attention of each output pixel over four neighbours, whose values a non-local map of the
// image joins (docs/decoders.md).
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/decoders/ciaosr_map.h"
#include "model/decoders/point_decoder.h"
#include "model/format/object_reader.h"

namespace hiif {
namespace {

class CiaoSr : public PointDecoder {
 public:
  explicit CiaoSr(CiaoSrConfig config) : config_(std::move(config)) {}

  std::string name() const override { return "ciaosr"; }
  nlohmann::json sizes() const override {
    return {{"hidden_key", config_.hidden_key},
            {"hidden_value", config_.hidden_value},
            {"hidden_query", config_.hidden_query},
            {"non_local", config_.non_local}};
  }
  Shapes shapes(int features) const override {
    const int64_t key = KeyChannels(features);
    const int64_t value = ValueChannels(features);
    Shapes shapes;
    AddMlp(shapes, "imnet_k", key + 4, config_.hidden_key, key);
    AddMlp(shapes, "imnet_v", value + 4, config_.hidden_value, value);
    AddMlp(shapes, "imnet_q", value, config_.hidden_query, 3);
    if (!config_.non_local) return shapes;
    AddConv(shapes, "cs_attn.conv_match_1.0", features / 2, features, 1);
    AddConv(shapes, "cs_attn.conv_match_2.0", features / 2, features, 1);
    AddConv(shapes, "cs_attn.conv_assembly.0", features, features, 1);
    for (const char* name : {"conv_match_1", "conv_match_2", "conv_assembly"}) {
      shapes[absl::StrCat("cs_attn.", name, ".1.weight")] = {1};  // slope of a PReLU
    }
    AddConv(shapes, "cs_attn.down", features, features, 3);
    return shapes;
  }

  // Keys and values at four neighbours, their products and sums. The map is in PartCost().
  DecoderCost Cost(int features, Grid, Grid) const override {
    Shapes at_neighbours, last;
    const int64_t key = KeyChannels(features);
    const int64_t value = ValueChannels(features);
    AddMlp(at_neighbours, "imnet_k", key + 4, config_.hidden_key, key);
    AddMlp(at_neighbours, "imnet_v", value + 4, config_.hidden_value, value);
    AddMlp(last, "imnet_q", value, config_.hidden_query, 3);
    return {.query = 4 * (MultiplyAdds(at_neighbours) + 2.0 * static_cast<double>(key + value)) +
                     MultiplyAdds(last)};
  }
  int64_t CallBytes(int features) const override {
    int64_t hidden = 0;
    for (const auto* list : {&config_.hidden_key, &config_.hidden_value, &config_.hidden_query}) {
      hidden = std::max<int64_t>(hidden, *std::max_element(list->begin(), list->end()));
    }
    // The query; of each neighbour its value; of one its patch, both inputs and both products.
    return unit() * 4 * (int64_t{9 * 4 + 10 * 4 + 80} * features + 2 * hidden + 64);
  }

  int parts(Grid size) const override {
    return config_.non_local ? static_cast<int>(CiaoSrBlocks(size).size()) : 0;
  }
  // Blocks are of one size.
  double PartCost(int features, Grid size) const override {
    const auto pixels = static_cast<double>(CiaoSrBlocks(size)[0].pixels());
    return pixels * features * (40.5 * pixels / 4 + 10.625 * features);
  }
  int64_t PartBytes(int features, Grid size) const override {
    const Region block = CiaoSrBlocks(size)[0];
    if (!config_.non_local) return 0;
    // And, when the parts are joined, they and what they are joined to.
    return CiaoSrMapBytes(features, {block.height, block.width}) +
           size.height * size.width * features * 4 * 3;
  }
  at::Tensor Part(const Parameters& parameters, const at::Tensor& latents, int part,
                  const Heartbeat& beat) const override {
    const Region block = CiaoSrBlocks({latents.size(2), latents.size(3)})[part];
    return CiaoSrMap(
        Scope(parameters, "cs_attn."),
        latents.slice(2, block.y, block.y + block.height).slice(3, block.x, block.x + block.width),
        beat);
  }
  at::Tensor Join(absl::Span<const at::Tensor> parts, Grid size) const override {
    return PixelRows(JoinCiaoSrBlocks(parts, size));
  }

  at::Tensor Begin(const Parameters& parameters, const ImageCodes& image,
                   absl::Span<const QueryPoint> points) const override {
    const Asked asked = Ask(image, points);
    const at::Tensor query = GatherPatches(image, asked.centre);  // (Q,9C)
    std::vector<at::Tensor> logits;
    std::vector<at::Tensor> values;
    for (int k = 0; k < 4; ++k) {
      const at::Tensor index = asked.index.select(1, k);
      const at::Tensor tail = asked.tail.select(1, k);
      const at::Tensor patch = GatherPatches(image, index);
      const at::Tensor key = patch * Mlp(parameters, "imnet_k", at::cat({patch, tail}, -1),
                                         config_.hidden_key.size(), Relu);
      logits.push_back((query * key).sum(-1));
      const at::Tensor all =
          config_.non_local ? at::cat({patch, image.map.index_select(0, index)}, -1) : patch;
      values.push_back(all * Mlp(parameters, "imnet_v", at::cat({all, tail}, -1),
                                 config_.hidden_value.size(), Relu));
    }
    const at::Tensor attention = at::softmax(at::stack(logits, -1), -1);  // (Q,4)
    at::Tensor sum;
    for (int k = 0; k < 4; ++k) {
      const at::Tensor part = values[k] * attention.slice(1, k, k + 1);
      sum = sum.defined() ? sum + part : part;
    }
    return Mlp(parameters, "imnet_q", sum, config_.hidden_query.size(), Relu);
  }

 private:
  struct Asked {
    at::Tensor centre;  // (Q)
    at::Tensor index;   // (Q,4)
    at::Tensor tail;    // (Q,4,4): distance and cell, rows and columns
  };

  static int64_t KeyChannels(int features) { return int64_t{9} * features; }
  int64_t ValueChannels(int features) const {
    return (config_.non_local ? int64_t{10} : int64_t{9}) * features;
  }

  static Asked Ask(const ImageCodes& image, absl::Span<const QueryPoint> points) {
    const auto count = static_cast<int64_t>(points.size());
    std::vector<int64_t> centre, index;
    std::vector<float> tail;
    for (const QueryPoint& point : points) {
      const StepPosition row = StepAt(point.row);
      const StepPosition column = StepAt(point.column);
      centre.push_back(row.centre * image.size.width + column.centre);
      for (int k = 0; k < 4; ++k) {
        index.push_back(row.index[k / 2] * image.size.width + column.index[k % 2]);
        tail.insert(tail.end(), {row.distance[k / 2], column.distance[k % 2],
                                 CellOf(point.row.low, point.row.high, 0),
                                 CellOf(point.column.low, point.column.high, 0)});
      }
    }
    return {IndexTensor(centre, {count}, image.codes), IndexTensor(index, {count, 4}, image.codes),
            FloatTensor(tail, {count, 4, 4}, image.codes)};
  }

  const CiaoSrConfig config_;
};

absl::StatusOr<DecoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "decoder_config");
  const CiaoSrConfig config{reader.Sizes("hidden_key"), reader.Sizes("hidden_value"),
                            reader.Sizes("hidden_query"), reader.Flag("non_local")};
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return DecoderConfig(config);
}

std::optional<DecoderConfig> FromTensors(const Safetensors& tensors) {
  if (!tensors.tensors().contains("imnet_k.layers.0.weight")) return std::nullopt;
  return DecoderConfig(CiaoSrConfig{
      HiddenOfMlp(tensors, "imnet_k"), HiddenOfMlp(tensors, "imnet_v"),
      HiddenOfMlp(tensors, "imnet_q"), tensors.tensors().contains("cs_attn.down.weight")});
}

}  // namespace

DecoderConfig::DecoderConfig(const CiaoSrConfig& config)
    : decoder_(std::make_shared<CiaoSr>(config)) {}

DecoderKind CiaoSrKind() { return {"ciaosr", FromSizes, FromTensors}; }

}  // namespace hiif
