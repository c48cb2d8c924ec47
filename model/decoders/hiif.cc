// HIIF: sizes and parameters (model.md 2); its decoder on tensors is model/hiif/hiif_tensors.cc.
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/decoders/decoder.h"
#include "model/format/object_reader.h"

namespace hiif {
namespace {

constexpr std::pair<Ablation, const char*> kAblations[] = {{Ablation::kNone, "none"},
                                                           {Ablation::kNoHierarchy, "v1-H"},
                                                           {Ablation::kSingleScale, "v2-MS"},
                                                           {Ablation::kNoAttention, "v3-MH"}};

class HiifDecoder : public Decoder {
 public:
  explicit HiifDecoder(const HiifConfig& config) : config_(config) {}

  std::string name() const override { return "hiif"; }
  nlohmann::json sizes() const override {
    const auto ablation = std::find_if(std::begin(kAblations), std::end(kAblations),
                                       [&](const auto& a) { return a.first == config_.ablation; });
    return {{"width", config_.width},
            {"levels", config_.levels},
            {"heads", config_.heads},
            {"attention_blocks", config_.attention_blocks},
            {"ablation", ablation->second}};
  }
  int attention_blocks() const override { return AttentionBlocks(config_); }
  float Cell(double low, double high) const override { return HiifCell(low, high); }
  const HiifConfig* hiif() const override { return &config_; }

  Shapes shapes(int features) const override {
    const int width = config_.width;
    Shapes shapes;
    AddConv(shapes, "freq", width, features, 3);
    for (int level = 0; level < config_.levels; ++level) {
      int inputs = level == 0 ? 4 * width + 4 : width + 2;
      if (config_.ablation == Ablation::kSingleScale) {
        inputs = level == 0 ? 4 * width + 2 + 2 * config_.levels : width;
      }
      const std::string prefix = absl::StrCat("fc_layers.", level);
      AddNorm(shapes, prefix + ".norm", inputs);
      AddLinear(shapes, prefix + ".fc1", width, inputs);
      AddLinear(shapes, prefix + ".fc2", level + 1 == config_.levels ? 3 : width, width);
    }
    for (int block = 0; block < attention_blocks(); ++block) {
      const std::string prefix = absl::StrCat("conv", block);
      AddLinear(shapes, prefix + ".qkv_proj", int64_t{3} * width, width);
      AddNorm(shapes, prefix + ".kln", width / config_.heads);
      AddNorm(shapes, prefix + ".vln", width / config_.heads);
      AddLinear(shapes, prefix + ".proj1", width, width);
      AddLinear(shapes, prefix + ".proj2", width, width);
    }
    return shapes;
  }

  DecoderCost Cost(int features, Grid, Grid) const override {
    const double width = config_.width;
    const double square = width * width;
    const double context = 2 * square / config_.heads;  // k^T v, and q times the result
    DecoderCost cost;
    cost.pixel = 9.0 * features * width;
    cost.query = MultiplyAdds(shapes(features)) - cost.pixel + attention_blocks() * context;
    cost.sample = square * 5 + attention_blocks() * (square * 5 + context);
    return cost;
  }

 private:
  const HiifConfig config_;
};

absl::StatusOr<DecoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "decoder_config");
  HiifConfig config{reader.Size("width", 1), reader.Size("levels", 2), reader.Size("heads", 1),
                    reader.Size("attention_blocks", 0), Ablation::kNone};
  const std::string ablation = reader.Text("ablation");
  const auto found = std::find_if(std::begin(kAblations), std::end(kAblations),
                                  [&](const auto& a) { return a.second == ablation; });
  if (found == std::end(kAblations)) {
    reader.Fail("has an ablation that is none of none, v1-H, v2-MS, v3-MH");
  } else {
    config.ablation = found->first;
  }
  if (config.width % config.heads != 0) reader.Fail("has a width that its heads do not divide");
  if (config.levels > 16) reader.Fail("has more than 16 levels");
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return DecoderConfig(config);
}

std::optional<DecoderConfig> FromTensors(const Safetensors& tensors) {
  HiifConfig config;
  config.width = Dimension(tensors, "freq.weight", 0);
  config.levels = Count(tensors, "fc_layers.");
  if (config.width == 0 || config.levels == 0) return std::nullopt;
  config.attention_blocks = 0;
  while (tensors.tensors().contains(absl::StrCat("conv", config.attention_blocks, ".kln.weight"))) {
    ++config.attention_blocks;
  }
  const int d = Dimension(tensors, "conv0.kln.weight", 0);
  if (d > 0) config.heads = config.width / d;
  if (Dimension(tensors, "fc_layers.1.norm.weight", 0) == config.width) {
    config.ablation = Ablation::kSingleScale;
  } else if (config.attention_blocks == 0) {
    config.ablation = Ablation::kNoAttention;
  }
  return DecoderConfig(config);
}

}  // namespace

DecoderConfig::DecoderConfig(const HiifConfig& config)
    : decoder_(std::make_shared<HiifDecoder>(config)) {}

int AttentionBlocks(const HiifConfig& config) {
  return config.ablation == Ablation::kNoAttention ? 0 : config.attention_blocks;
}

DecoderKind HiifKind() { return {"hiif", FromSizes, FromTensors}; }

}  // namespace hiif
