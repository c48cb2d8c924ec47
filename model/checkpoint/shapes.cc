// Which parameters a network has, and the way back from them to the network.
#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/shapes.h"
#include "model/decoders/decoder.h"
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

std::vector<int> HiddenOfMlp(const Safetensors& tensors, const std::string& name) {
  std::vector<int> hidden;
  const std::string prefix = name + ".layers.";
  for (int layer = 0; layer + 1 < Count(tensors, prefix); layer += 2) {
    hidden.push_back(Dimension(tensors, absl::StrCat(prefix, layer, ".weight"), 0));
  }
  return hidden;
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

Shapes EncoderShapes(const EncoderConfig& config) {
  Shapes shapes;
  for (const auto& [name, shape] : config->shapes()) shapes["encoder." + name] = shape;
  return shapes;
}

Shapes ParameterShapes(const ModelConfig& config) {
  Shapes shapes = EncoderShapes(config.encoder);
  const int features = EncoderFeatures(config.encoder);
  shapes.merge(config.decoder->shapes(features));
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
  names.clear();
  found = false;
  for (const DecoderKind& kind : DecoderKinds()) {
    names.push_back(kind.name);
    const auto decoder = found ? std::nullopt : kind.from_tensors(tensors);
    if (!decoder.has_value()) continue;
    config.decoder = *decoder;
    found = true;
  }
  if (!found) {
    return absl::InvalidArgumentError(
        absl::StrCat("holds no decoder that is known (", absl::StrJoin(names, ", "), ")"));
  }
  const auto mode = tensors.metadata().find("coordinates");
  const std::string name = mode == tensors.metadata().end() ? "reference" : mode->second;
  if (name != "reference" && name != "exact") {
    return absl::InvalidArgumentError(
        absl::StrCat("coordinates \"", name, "\" are neither \"reference\" nor \"exact\""));
  }
  config.coordinates = name == "exact" ? CoordinateMode::kExact : CoordinateMode::kReference;
  if (tensors.metadata().contains("mean")) {
    HIIF_ASSIGN_OR_RETURN(config.normalisation, ReadNormalisation(tensors.metadata()));
  }
  // Sizes of a damaged file may contradict each other.
  return ConfigFromMetadata(ConfigMetadata(config));
}

}  // namespace hiif
