// Which parameters a network has, and the way back from them to the network.
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/checkpoint/checkpoint.h"
#include "model/decoders/decoder.h"
#include "model/encoders/encoder.h"
#include "model/format/shapes.h"

namespace hiif {

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
