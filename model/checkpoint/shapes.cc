// Which parameters a network has, and the way back from them to the network.
#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/shapes.h"
#include "model/encoders/encoder.h"

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

double MultiplyAdds(const Shapes& shapes) {
  double sum = 0;
  for (const auto& [name, shape] : shapes) {
    if (shape.size() < 2 || absl::EndsWith(name, "_table")) continue;
    double values = 1;
    for (const int64_t side : shape) values *= static_cast<double>(side);
    sum += values;
  }
  return sum;
}

namespace {

void AddDecoder(Shapes& shapes, const HiifConfig& config, int features) {
  const int width = config.width;
  AddConv(shapes, "freq", width, features, 3);
  for (int level = 0; level < config.levels; ++level) {
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
  for (int block = 0; block < config.attention_blocks; ++block) {
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

Shapes EncoderShapes(const EncoderConfig& config) {
  Shapes shapes;
  for (const auto& [name, shape] : config->shapes()) shapes["encoder." + name] = shape;
  return shapes;
}

Shapes ParameterShapes(const ModelConfig& config) {
  Shapes shapes = EncoderShapes(config.encoder);
  const int features = EncoderFeatures(config.encoder);
  std::visit([&](const auto& decoder) { AddDecoder(shapes, decoder, features); }, config.decoder);
  return shapes;
}

absl::StatusOr<ModelConfig> InferConfig(const Safetensors& tensors) {
  ModelConfig config;
  std::vector<std::string> names;
  bool found = false;
  for (const EncoderKind& kind : EncoderKinds()) {
    names.push_back(kind.name);
    const auto encoder = found ? std::nullopt : kind.from_tensors(tensors);
    if (!encoder.has_value()) continue;
    config.encoder = *encoder;
    found = true;
  }
  if (!found || EncoderFeatures(config.encoder) == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("holds no encoder that is known (", absl::StrJoin(names, ", "), ")"));
  }
  config.decoder = InferDecoder(tensors);
  const auto mode = tensors.metadata().find("coordinates");
  const std::string name = mode == tensors.metadata().end() ? "reference" : mode->second;
  if (name != "reference" && name != "exact") {
    return absl::InvalidArgumentError(
        absl::StrCat("coordinates \"", name, "\" are neither \"reference\" nor \"exact\""));
  }
  config.coordinates = name == "exact" ? CoordinateMode::kExact : CoordinateMode::kReference;
  if (const auto* hiif = std::get_if<HiifConfig>(&config.decoder);
      hiif != nullptr && (hiif->width == 0 || hiif->levels == 0)) {
    return absl::InvalidArgumentError("holds no decoder that is known (HIIF, LIIF)");
  }
  return config;
}

}  // namespace hiif
