// Which parameters a network has, and the way back from them to the network.
#include "model/checkpoint/shapes.h"

#include <algorithm>
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint.h"
#include "model/decoders/types.h"

namespace hiif {

void AddLinear(Shapes& shapes, const std::string& name, int64_t outputs, int64_t inputs) {
  shapes[name + ".weight"] = {outputs, inputs};
  shapes[name + ".bias"] = {outputs};
}

void AddConv(Shapes& shapes, const std::string& name, int64_t outputs, int64_t inputs,
             int64_t kernel) {
  shapes[name + ".weight"] = {outputs, inputs, kernel, kernel};
  shapes[name + ".bias"] = {outputs};
}

void AddNorm(Shapes& shapes, const std::string& name, int64_t size) {
  shapes[name + ".weight"] = {size};
  shapes[name + ".bias"] = {size};
}

void AddMlp(Shapes& shapes, const std::string& name, int64_t inputs, const std::vector<int>& hidden,
            int64_t outputs) {
  int layer = 0;
  for (const int width : hidden) {
    AddLinear(shapes, absl::StrCat(name, ".layers.", layer), width, inputs);
    inputs = width;
    layer += 2;  // an activation between
  }
  AddLinear(shapes, absl::StrCat(name, ".layers.", layer), outputs, inputs);
}

int Dimension(const Safetensors& tensors, const std::string& name, size_t i) {
  const auto found = tensors.tensors().find(name);
  if (found == tensors.tensors().end() || found->second.shape.size() <= i) return 0;
  return static_cast<int>(std::min<int64_t>(found->second.shape[i], 1 << 20));
}

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

std::vector<int> HiddenOfMlp(const Safetensors& tensors, const std::string& name) {
  std::vector<int> hidden;
  const std::string prefix = name + ".layers.";
  for (int layer = 0; layer + 1 < Count(tensors, prefix); layer += 2) {
    hidden.push_back(Dimension(tensors, absl::StrCat(prefix, layer, ".weight"), 0));
  }
  return hidden;
}

bool Contains(const Safetensors& tensors, const std::string& name) {
  return tensors.tensors().contains(name);
}

namespace {

void AddEncoder(Shapes& shapes, const EdsrConfig& config) {
  const int f = config.features;
  AddConv(shapes, "encoder.head.0", f, 3, 3);
  for (int block = 0; block < config.blocks; ++block) {
    AddConv(shapes, absl::StrCat("encoder.body.", block, ".body.0"), f, f, 3);
    AddConv(shapes, absl::StrCat("encoder.body.", block, ".body.2"), f, f, 3);
  }
  AddConv(shapes, absl::StrCat("encoder.body.", config.blocks), f, f, 3);
}

void AddEncoder(Shapes& shapes, const RdnConfig& config) {
  const int base = config.base_features;
  AddConv(shapes, "encoder.SFENet1", base, 3, 3);
  AddConv(shapes, "encoder.SFENet2", base, base, 3);
  for (int block = 0; block < config.blocks; ++block) {
    const std::string prefix = absl::StrCat("encoder.RDBs.", block);
    for (int layer = 0; layer < config.layers_per_block; ++layer) {
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
  for (size_t layer = 0; layer < config.depths.size(); ++layer) {
    const std::string prefix = absl::StrCat("encoder.layers.", layer);
    for (int block = 0; block < config.depths[layer]; ++block) {
      const std::string name = absl::StrCat(prefix, ".residual_group.blocks.", block);
      AddNorm(shapes, name + ".norm1", dim);
      AddLinear(shapes, name + ".attn.qkv", 3 * dim, dim);
      AddLinear(shapes, name + ".attn.proj", dim, dim);
      const int64_t span = 2 * config.window - 1;
      shapes[name + ".attn.relative_position_bias_table"] = {span * span, config.heads[layer]};
      AddNorm(shapes, name + ".norm2", dim);
      AddLinear(shapes, name + ".mlp.fc1", config.mlp_hidden, dim);
      AddLinear(shapes, name + ".mlp.fc2", dim, config.mlp_hidden);
    }
    AddConv(shapes, prefix + ".conv", dim, dim, 3);
  }
  AddNorm(shapes, "encoder.norm", dim);
  AddConv(shapes, "encoder.conv_after_body", dim, dim, 3);
  if (config.output_features > 0) {
    AddConv(shapes, "encoder.conv_before_upsample.0", config.output_features, dim, 3);
  }
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
    shapes[name + ".temperature"] = {heads, 1, 1};
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
  for (size_t layer = 0; layer < config.depths.size(); ++layer) {
    const std::string group = absl::StrCat("encoder.layers.", layer);
    for (int i = 0; i < config.depths[layer]; ++i) {
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

void AddEncoder(Shapes&, const NoEncoderConfig&) {}

}  // namespace

std::map<std::string, std::vector<int64_t>> EncoderShapes(const EncoderConfig& config) {
  Shapes shapes;
  std::visit([&](const auto& encoder) { AddEncoder(shapes, encoder); }, config);
  return shapes;
}

std::map<std::string, std::vector<int64_t>> ParameterShapes(const ModelConfig& config) {
  Shapes shapes = EncoderShapes(config.encoder);
  TypeOf(config.decoder).add_shapes(shapes, config.decoder, EncoderFeatures(config.encoder));
  return shapes;
}

absl::StatusOr<EncoderConfig> InferEncoder(const Safetensors& tensors) {
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
  if (!tensors.tensors().contains("encoder.head.0.weight")) {
    return absl::InvalidArgumentError("holds no encoder that is known (EDSR, RDN, SwinIR)");
  }
  EdsrConfig config;
  config.features = Dimension(tensors, "encoder.head.0.weight", 0);
  config.blocks = std::max(0, Count(tensors, "encoder.body.") - 1);
  return config;
}

}  // namespace hiif
