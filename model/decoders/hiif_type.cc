// HIIF: sizes and parameters (model.md 2).
#include <algorithm>
#include <iterator>
#include <utility>

#include "model/decoders/types.h"

namespace hiif {
namespace {

constexpr std::pair<Ablation, const char*> kAblations[] = {{Ablation::kNone, "none"},
                                                           {Ablation::kNoHierarchy, "v1-H"},
                                                           {Ablation::kSingleScale, "v2-MS"},
                                                           {Ablation::kNoAttention, "v3-MH"}};

int InputsOfLevel(const HiifConfig& config, int level) {
  if (config.ablation == Ablation::kSingleScale) {
    return level == 0 ? 4 * config.width + 2 + 2 * config.levels : config.width;
  }
  return level == 0 ? 4 * config.width + 4 : config.width + 2;
}

int Blocks(const HiifConfig& config) {
  return config.ablation == Ablation::kNoAttention ? 0 : config.attention_blocks;
}

bool Recognise(const Safetensors& tensors) {
  return Contains(tensors, "freq.weight") && Count(tensors, "fc_layers.") > 0;
}

DecoderConfig Infer(const Safetensors& tensors) {
  HiifConfig config;
  config.width = Dimension(tensors, "freq.weight", 0);
  config.levels = Count(tensors, "fc_layers.");
  config.attention_blocks = 0;
  while (Contains(tensors, absl::StrCat("conv", config.attention_blocks, ".kln.weight"))) {
    ++config.attention_blocks;
  }
  const int d = Dimension(tensors, "conv0.kln.weight", 0);
  if (d > 0) config.heads = config.width / d;
  if (Dimension(tensors, "fc_layers.1.norm.weight", 0) == config.width) {
    config.ablation = Ablation::kSingleScale;
  } else if (config.attention_blocks == 0) {
    config.ablation = Ablation::kNoAttention;
  }
  return config;
}

Json Write(const DecoderConfig& any) {
  const auto& c = std::get<HiifConfig>(any);
  const auto ablation = std::find_if(std::begin(kAblations), std::end(kAblations),
                                     [&](const auto& a) { return a.first == c.ablation; });
  return {{"width", c.width},
          {"levels", c.levels},
          {"heads", c.heads},
          {"attention_blocks", c.attention_blocks},
          {"ablation", ablation->second}};
}

DecoderConfig Read(ObjectReader& reader) {
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
  return config;
}

void AddShapes(Shapes& shapes, const DecoderConfig& any, int features) {
  const auto& config = std::get<HiifConfig>(any);
  const int width = config.width;
  AddConv(shapes, "freq", width, features, 3);
  for (int level = 0; level < config.levels; ++level) {
    const int inputs = InputsOfLevel(config, level);
    const std::string prefix = absl::StrCat("fc_layers.", level);
    AddNorm(shapes, prefix + ".norm", inputs);
    AddLinear(shapes, prefix + ".fc1", width, inputs);
    AddLinear(shapes, prefix + ".fc2", level + 1 == config.levels ? 3 : width, width);
  }
  for (int block = 0; block < Blocks(config); ++block) {
    const std::string prefix = absl::StrCat("conv", block);
    AddLinear(shapes, prefix + ".qkv_proj", 3 * width, width);
    AddNorm(shapes, prefix + ".kln", width / config.heads);
    AddNorm(shapes, prefix + ".vln", width / config.heads);
    AddLinear(shapes, prefix + ".proj1", width, width);
    AddLinear(shapes, prefix + ".proj2", width, width);
  }
}

DecoderWork Work(const DecoderConfig& any, int features) {
  const auto& config = std::get<HiifConfig>(any);
  const double width = config.width;
  DecoderWork work{9.0 * features * width, 0};
  for (int level = 0; level < config.levels; ++level) {
    work.per_output_pixel += MlpWork(InputsOfLevel(config, level), {config.width},
                                     level + 1 == config.levels ? 3 : width);
  }
  // Projections; k^T v of each head, and q times the result.
  work.per_output_pixel += Blocks(config) * (5 * width * width + 2 * width * width / config.heads);
  return work;
}

}  // namespace

extern const DecoderType kHiifType;
const DecoderType kHiifType = {
    "hiif",    "HIIF", ConfigIndex<HiifConfig>(), true, Recognise, Infer, Write, Read,
    AddShapes, Work};

}  // namespace hiif
