// Which parameters a network has, and the way back from them to the network.
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
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

namespace {

// The configuration of the first kind that knows the tensors.
template <class Kind>
auto FirstKnown(const std::vector<Kind>& kinds, const Safetensors& tensors) {
  decltype(kinds.front().from_tensors(tensors)) found;
  for (auto kind = kinds.begin(); kind != kinds.end() && !found; ++kind)
    found = kind->from_tensors(tensors);
  return found;
}

template <class Kind>
absl::Status NoneKnown(absl::string_view what, const std::vector<Kind>& kinds) {
  const auto name = [](std::string* out, const Kind& kind) { out->append(kind.name); };
  return absl::InvalidArgumentError(
      absl::StrCat("holds no ", what, " that is known (", absl::StrJoin(kinds, ", ", name), ")"));
}

}  // namespace

absl::StatusOr<ModelConfig> InferConfig(const Safetensors& tensors) {
  ModelConfig config;
  const auto encoder = FirstKnown(EncoderKinds(), tensors);
  if (!encoder || EncoderFeatures(*encoder) == 0) return NoneKnown("encoder", EncoderKinds());
  config.encoder = *encoder;
  const auto decoder = FirstKnown(DecoderKinds(), tensors);
  if (!decoder) return NoneKnown("decoder", DecoderKinds());
  config.decoder = *decoder;
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
