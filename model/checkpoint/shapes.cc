// Which parameters a network has, and the way back from them to the network.
#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "model/checkpoint/checkpoint.h"

namespace hiif {
namespace {

using ShapeMap = std::map<std::string, std::vector<int64_t>>;

auto AddTo(ShapeMap& map) {
  return [&map](const std::string& name, const std::vector<int64_t>& shape) {
    map[name] = shape;
    return true;
  };
}

// Tells a visitor of parameters until it has had enough.
class Shapes {
 public:
  explicit Shapes(ParameterVisitor visitor) : visitor_(visitor) {}
  void Add(const std::string& name, std::vector<int64_t> shape) {
    if (!enough_) enough_ = !visitor_(name, shape);
  }
  // Loops over what a configuration counts ask this: it may count billions.
  bool enough() const { return enough_; }

 private:
  const ParameterVisitor visitor_;
  bool enough_ = false;
};

void AddLinear(Shapes& shapes, const std::string& name, int64_t outputs, int64_t inputs) {
  shapes.Add(name + ".weight", {outputs, inputs});
  shapes.Add(name + ".bias", {outputs});
}

void AddConv(Shapes& shapes, const std::string& name, int64_t outputs, int64_t inputs,
             int64_t kernel) {
  shapes.Add(name + ".weight", {outputs, inputs, kernel, kernel});
  shapes.Add(name + ".bias", {outputs});
}

void AddNorm(Shapes& shapes, const std::string& name, int64_t size) {
  shapes.Add(name + ".weight", {size});
  shapes.Add(name + ".bias", {size});
}

void AddEncoder(Shapes& shapes, const EdsrConfig& config) {
  const int f = config.features;
  AddConv(shapes, "encoder.head.0", f, 3, 3);
  for (int block = 0; block < config.blocks && !shapes.enough(); ++block) {
    AddConv(shapes, absl::StrCat("encoder.body.", block, ".body.0"), f, f, 3);
    AddConv(shapes, absl::StrCat("encoder.body.", block, ".body.2"), f, f, 3);
  }
  AddConv(shapes, absl::StrCat("encoder.body.", config.blocks), f, f, 3);
}

void AddEncoder(Shapes& shapes, const RdnConfig& config) {
  const int64_t base = config.base_features;
  AddConv(shapes, "encoder.SFENet1", base, 3, 3);
  AddConv(shapes, "encoder.SFENet2", base, base, 3);
  for (int block = 0; block < config.blocks && !shapes.enough(); ++block) {
    const std::string prefix = absl::StrCat("encoder.RDBs.", block);
    for (int layer = 0; layer < config.layers_per_block && !shapes.enough(); ++layer) {
      AddConv(shapes, absl::StrCat(prefix, ".convs.", layer, ".conv.0"), config.growth,
              base + layer * config.growth, 3);
    }
    AddConv(shapes, prefix + ".LFF", base, base + config.layers_per_block * config.growth, 1);
  }
  AddConv(shapes, "encoder.GFF.0", base, config.blocks * base, 1);
  AddConv(shapes, "encoder.GFF.1", base, base, 3);
}

void AddEncoder(Shapes& shapes, const SwinIrConfig& config) {
  const int dim = config.embed_dim;
  AddConv(shapes, "encoder.conv_first", dim, 3, 3);
  AddNorm(shapes, "encoder.patch_embed.norm", dim);
  for (size_t layer = 0; layer < config.depths.size() && !shapes.enough(); ++layer) {
    const std::string prefix = absl::StrCat("encoder.layers.", layer);
    for (int block = 0; block < config.depths[layer] && !shapes.enough(); ++block) {
      const std::string name = absl::StrCat(prefix, ".residual_group.blocks.", block);
      AddNorm(shapes, name + ".norm1", dim);
      AddLinear(shapes, name + ".attn.qkv", 3 * dim, dim);
      AddLinear(shapes, name + ".attn.proj", dim, dim);
      const int64_t span = 2 * config.window - 1;
      shapes.Add(name + ".attn.relative_position_bias_table", {span * span, config.heads[layer]});
      AddNorm(shapes, name + ".norm2", dim);
      AddLinear(shapes, name + ".mlp.fc1", config.mlp_hidden, dim);
      AddLinear(shapes, name + ".mlp.fc2", dim, config.mlp_hidden);
    }
    AddConv(shapes, prefix + ".conv", dim, dim, 3);
  }
  AddNorm(shapes, "encoder.norm", dim);
  AddConv(shapes, "encoder.conv_after_body", dim, dim, 3);
  AddConv(shapes, "encoder.conv_before_upsample.0", config.output_features, dim, 3);
}

// 3x3, 1x1 and 3x3 around a quarter of the width.
void AddResidualConvs(Shapes& shapes, const std::string& name, int64_t dim) {
  AddConv(shapes, name + ".0", dim / 4, dim, 3);
  AddConv(shapes, name + ".2", dim / 4, dim / 4, 1);
  AddConv(shapes, name + ".4", dim, dim / 4, 3);
}

// Batch norms are folded into the convolutions before them.
void AddDatAttention(Shapes& shapes, const std::string& name, const DatConfig& config,
                     int64_t heads, bool spatial) {
  const int64_t dim = config.embed_dim;
  AddLinear(shapes, name + ".qkv", 3 * dim, dim);
  AddLinear(shapes, name + ".proj", dim, dim);
  AddConv(shapes, name + ".dwconv.0", dim, 1, 3);
  AddConv(shapes, name + ".channel_interaction.1", dim / 8, dim, 1);
  AddConv(shapes, name + ".channel_interaction.4", dim, dim / 8, 1);
  AddConv(shapes, name + ".spatial_interaction.0", dim / 16, dim, 1);
  AddConv(shapes, name + ".spatial_interaction.3", 1, dim / 16, 1);
  if (!spatial) {
    shapes.Add(name + ".temperature", {heads, 1, 1});
    return;
  }
  const int64_t position = dim / 2 / 4 / 4;
  for (int branch = 0; branch < 2; ++branch) {
    const std::string bias = absl::StrCat(name, ".attns.", branch, ".pos");
    AddLinear(shapes, bias + ".pos_proj", position, 2);
    for (int layer = 1; layer <= 3; ++layer) {
      AddNorm(shapes, absl::StrCat(bias, ".pos", layer, ".0"), position);
      AddLinear(shapes, absl::StrCat(bias, ".pos", layer, ".2"), layer == 3 ? heads / 2 : position,
                position);
    }
  }
}

void AddEncoder(Shapes& shapes, const DatConfig& config) {
  const int64_t dim = config.embed_dim;
  AddConv(shapes, "encoder.conv_first", dim, 3, 3);
  AddNorm(shapes, "encoder.before_RG.1", dim);
  for (size_t layer = 0; layer < config.depths.size() && !shapes.enough(); ++layer) {
    const std::string group = absl::StrCat("encoder.layers.", layer);
    for (int i = 0; i < config.depths[layer] && !shapes.enough(); ++i) {
      const std::string block = absl::StrCat(group, ".blocks.", i);
      AddNorm(shapes, block + ".norm1", dim);
      AddDatAttention(shapes, block + ".attn", config, config.heads[layer], i % 2 == 0);
      AddNorm(shapes, block + ".norm2", dim);
      AddLinear(shapes, block + ".ffn.fc1", config.ffn_hidden, dim);
      AddNorm(shapes, block + ".ffn.sg.norm", config.ffn_hidden / 2);
      AddConv(shapes, block + ".ffn.sg.conv", config.ffn_hidden / 2, 1, 3);
      AddLinear(shapes, block + ".ffn.fc2", dim, config.ffn_hidden / 2);
    }
    AddResidualConvs(shapes, group + ".conv", dim);
  }
  AddNorm(shapes, "encoder.norm", dim);
  AddResidualConvs(shapes, "encoder.conv_after_body", dim);
}

void AddDecoder(Shapes& shapes, const HiifConfig& config, int features) {
  const int width = config.width;
  AddConv(shapes, "freq", width, features, 3);
  for (int level = 0; level < config.levels && !shapes.enough(); ++level) {
    int inputs = level == 0 ? 4 * width + 4 : width + 2;
    if (config.ablation == Ablation::kSingleScale) {
      inputs = level == 0 ? 4 * width + 2 + 2 * config.levels : width;
    }
    const std::string prefix = absl::StrCat("fc_layers.", level);
    AddNorm(shapes, prefix + ".norm", inputs);
    AddLinear(shapes, prefix + ".fc1", width, inputs);
    AddLinear(shapes, prefix + ".fc2", level + 1 == config.levels ? 3 : width, width);
  }
  if (config.ablation == Ablation::kNoAttention) return;
  for (int block = 0; block < config.attention_blocks && !shapes.enough(); ++block) {
    const std::string prefix = absl::StrCat("conv", block);
    AddLinear(shapes, prefix + ".qkv_proj", 3 * width, width);
    AddNorm(shapes, prefix + ".kln", width / config.heads);
    AddNorm(shapes, prefix + ".vln", width / config.heads);
    AddLinear(shapes, prefix + ".proj1", width, width);
    AddLinear(shapes, prefix + ".proj2", width, width);
  }
}

void AddDecoder(Shapes& shapes, const LiifConfig& config, int features) {
  int inputs = features * 9 + 4;
  int layer = 0;
  for (const int hidden : config.hidden) {
    AddLinear(shapes, absl::StrCat("imnet.layers.", layer), hidden, inputs);
    inputs = hidden;
    layer += 2;  // a ReLU between
  }
  AddLinear(shapes, absl::StrCat("imnet.layers.", layer), 3, inputs);
}

// Dimension `i` of a tensor, 0 where there is none.
int Dimension(const Safetensors& tensors, const std::string& name, size_t i) {
  const auto found = tensors.tensors().find(name);
  if (found == tensors.tensors().end() || found->second.shape.size() <= i) return 0;
  return static_cast<int>(std::min<int64_t>(found->second.shape[i], 1 << 20));
}

// 1 + the largest N of the names `prefix`N.*; 0 where there is none.
int Count(const Safetensors& tensors, const std::string& prefix) {
  int count = 0;
  for (auto i = tensors.tensors().lower_bound(prefix);
       i != tensors.tensors().end() && absl::StartsWith(i->first, prefix); ++i) {
    const std::string rest = i->first.substr(prefix.size());
    int number;
    if (absl::SimpleAtoi(rest.substr(0, rest.find('.')), &number) && number >= 0 &&
        number < 10000) {
      count = std::max(count, number + 1);
    }
  }
  return count;
}

int IntegerRoot(int value) {
  int root = 0;
  while ((root + 1) * (root + 1) <= value) ++root;
  return root;
}

EncoderConfig InferEncoder(const Safetensors& tensors) {
  if (tensors.tensors().contains("encoder.SFENet1.weight")) {
    RdnConfig config;
    config.base_features = Dimension(tensors, "encoder.SFENet1.weight", 0);
    config.blocks = Count(tensors, "encoder.RDBs.");
    config.layers_per_block = Count(tensors, "encoder.RDBs.0.convs.");
    config.growth = Dimension(tensors, "encoder.RDBs.0.convs.0.conv.0.weight", 0);
    return config;
  }
  if (tensors.tensors().contains("encoder.conv_first.weight")) {
    SwinIrConfig config;
    config.embed_dim = Dimension(tensors, "encoder.conv_first.weight", 0);
    config.output_features = Dimension(tensors, "encoder.conv_before_upsample.0.weight", 0);
    config.depths.clear();
    config.heads.clear();
    const std::string table = ".residual_group.blocks.0.attn.relative_position_bias_table";
    for (int layer = 0; layer < Count(tensors, "encoder.layers."); ++layer) {
      const std::string prefix = absl::StrCat("encoder.layers.", layer);
      config.depths.push_back(Count(tensors, prefix + ".residual_group.blocks."));
      config.heads.push_back(Dimension(tensors, prefix + table, 1));
    }
    config.window = (IntegerRoot(Dimension(tensors, "encoder.layers.0" + table, 0)) + 1) / 2;
    config.mlp_hidden =
        Dimension(tensors, "encoder.layers.0.residual_group.blocks.0.mlp.fc1.weight", 0);
    return config;
  }
  EdsrConfig config;
  config.features = Dimension(tensors, "encoder.head.0.weight", 0);
  config.blocks = std::max(0, Count(tensors, "encoder.body.") - 1);
  return config;
}

DecoderConfig InferDecoder(const Safetensors& tensors) {
  if (tensors.tensors().contains("imnet.layers.0.weight")) {
    LiifConfig config;
    config.hidden.clear();
    for (int layer = 0; layer + 1 < Count(tensors, "imnet.layers."); layer += 2) {
      config.hidden.push_back(
          Dimension(tensors, absl::StrCat("imnet.layers.", layer, ".weight"), 0));
    }
    return config;
  }
  HiifConfig config;
  config.width = Dimension(tensors, "freq.weight", 0);
  config.levels = Count(tensors, "fc_layers.");
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
  return config;
}

}  // namespace

void VisitParameters(const ModelConfig& config, ParameterVisitor visitor) {
  Shapes shapes(visitor);
  std::visit([&](const auto& encoder) { AddEncoder(shapes, encoder); }, config.encoder);
  const int features = EncoderFeatures(config.encoder);
  std::visit([&](const auto& decoder) { AddDecoder(shapes, decoder, features); }, config.decoder);
}

std::map<std::string, std::vector<int64_t>> ParameterShapes(const ModelConfig& config) {
  ShapeMap shapes;
  VisitParameters(config, AddTo(shapes));
  return shapes;
}

std::map<std::string, std::vector<int64_t>> EncoderShapes(const EncoderConfig& config) {
  ShapeMap map;
  const auto add = AddTo(map);
  Shapes shapes(add);
  std::visit([&](const auto& encoder) { AddEncoder(shapes, encoder); }, config);
  return map;
}

absl::StatusOr<ModelConfig> InferConfig(const Safetensors& tensors) {
  ModelConfig config;
  config.encoder = InferEncoder(tensors);
  config.decoder = InferDecoder(tensors);
  const auto mode = tensors.metadata().find("coordinates");
  const std::string name = mode == tensors.metadata().end() ? "reference" : mode->second;
  if (name != "reference" && name != "exact") {
    return absl::InvalidArgumentError(
        absl::StrCat("coordinates ", Quoted(name), " are neither \"reference\" nor \"exact\""));
  }
  config.coordinates = name == "exact" ? CoordinateMode::kExact : CoordinateMode::kReference;
  if (EncoderFeatures(config.encoder) == 0) {
    return absl::InvalidArgumentError("holds no encoder that is known (EDSR, RDN, SwinIR)");
  }
  if (const auto* hiif = std::get_if<HiifConfig>(&config.decoder);
      hiif != nullptr && (hiif->width == 0 || hiif->levels == 0)) {
    return absl::InvalidArgumentError("holds no decoder that is known (HIIF, LIIF)");
  }
  return config;
}

}  // namespace hiif
