#include "model/checkpoint/checkpoint.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "model/decoders/decoder.h"
#include "model/decoders/point_decoder.h"
#include "model/encoders/encoder.h"
#include "model/format/object_reader.h"

namespace hiif {
namespace {

using Json = nlohmann::json;

constexpr char kFormatVersion[] = "1";
constexpr char kFaithful[] = "faithful.";  // before the names of the second network
constexpr char kNormalisation[] = "(x-0.5)/0.5";
constexpr size_t kMaxMetadata = 16384;               // bytes: lists of models hold that of each
constexpr int64_t kMaxWorkBytes = int64_t{1} << 30;  // of a small image, or a call of a decoder
constexpr char kPerChannel[] = "(x-mean)/std";       // with metadata "mean" and "std"

// Buffers of released checkpoints that follow from the configuration.
bool IsDerived(absl::string_view name) {
  absl::ConsumePrefix(&name, kFaithful);
  return absl::EndsWith(name, ".attn_mask") || absl::EndsWith(name, ".relative_position_index") ||
         absl::StartsWith(name, "encoder.sub_mean.") ||
         absl::StartsWith(name, "encoder.add_mean.") || name == "cs_attn.escape_NaN";
}

// Sizes may be such that parameters of a few kilobytes take gigabytes of memory (heads of a window,
// hidden features of one channel). A server encodes an image of this side before it serves a model.
absl::Status CheckSmallImage(const Encoder& encoder) {
  constexpr int64_t kSide = 96;
  const int64_t bytes = encoder.Footprint(kSide, kSide, sizeof(float), /*on_device=*/true);
  if (bytes <= kMaxWorkBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("encoder_config has sizes that take %d MiB for an image of %d x %d pixels, "
                      "more than the %d allowed",
                      bytes >> 20, kSide, kSide, kMaxWorkBytes >> 20));
}

// Those of a decoder likewise: a call of few positions may take gigabytes.
absl::Status CheckCall(const Decoder& decoder, int features) {
  const int64_t bytes = decoder.points() == nullptr ? 0 : decoder.points()->CallBytes(features);
  if (bytes <= kMaxWorkBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("decoder_config has sizes that take %d MiB for a call, more than the %d "
                      "allowed",
                      bytes >> 20, kMaxWorkBytes >> 20));
}

absl::StatusOr<EncoderConfig> ReadEncoder(const std::string& name, const Json& json) {
  std::vector<std::string> names;
  for (const EncoderKind& kind : EncoderKinds()) {
    names.push_back(kind.name);
    if (kind.name != name) continue;
    HIIF_ASSIGN_OR_RETURN(EncoderConfig encoder, kind.from_sizes(json));
    HIIF_RETURN_IF_ERROR(CheckSmallImage(*encoder));
    return encoder;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("encoder ", Quoted(name), " is none of ", absl::StrJoin(names, ", ")));
}

absl::StatusOr<DecoderConfig> ReadDecoder(const std::string& name, const Json& json) {
  std::vector<std::string> names;
  for (const DecoderKind& kind : DecoderKinds()) {
    if (kind.name == name) return kind.from_sizes(json);
    names.push_back(kind.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("decoder ", Quoted(name), " is none of ", absl::StrJoin(names, ", ")));
}

// Three numbers a,b,c of which each is at least `least` and at most 1000.
absl::StatusOr<std::array<float, 3>> ReadTriple(const std::map<std::string, std::string>& metadata,
                                                const std::string& key, float least) {
  constexpr float kMost = 1000;
  std::array<float, 3> out{};
  const auto found = metadata.find(key);
  const std::vector<std::string> parts =
      found == metadata.end() ? std::vector<std::string>() : absl::StrSplit(found->second, ',');
  bool good = parts.size() == out.size();
  for (size_t i = 0; good && i < out.size(); ++i) {  // false for NaN
    good = absl::SimpleAtof(parts[i], &out[i]) && out[i] >= least && out[i] <= kMost;
  }
  if (good) return out;
  return absl::InvalidArgumentError(absl::StrCat("metadata \"", key,
                                                 "\" is not three numbers a,b,c, ", least, " to ",
                                                 kMost, "; the normalisation needs them"));
}

// Digits that read back as the same floats.
std::string TripleText(const std::array<float, 3>& values) {
  return absl::StrFormat("%.9g,%.9g,%.9g", values[0], values[1], values[2]);
}

// NaN and infinity have all exponent bits set.
template <class Word>
bool AllFinite(absl::Span<const uint8_t> bytes, Word exponent) {
  for (size_t i = 0; i < bytes.size(); i += sizeof(Word)) {
    Word word;
    std::memcpy(&word, bytes.data() + i, sizeof(Word));
    if ((word & exponent) == exponent) return false;
  }
  return true;
}

bool AllFinite(const TensorView& tensor) {
  switch (tensor.type) {
    case TensorType::kF32:
      return AllFinite<uint32_t>(tensor.bytes, 0x7f800000u);
    case TensorType::kF16:
      return AllFinite<uint16_t>(tensor.bytes, 0x7c00u);
    case TensorType::kBF16:
      return AllFinite<uint16_t>(tensor.bytes, 0x7f80u);
    default:
      return true;
  }
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

absl::Status InFile(const std::string& path, const absl::Status& status) {
  return status.ok() ? status
                     : absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

absl::StatusOr<std::string> MetadataText(const std::map<std::string, std::string>& metadata,
                                         const char* key) {
  const auto found = metadata.find(key);
  if (found != metadata.end()) return found->second;
  return absl::InvalidArgumentError(
      absl::StrCat("has no metadata \"", key,
                   "\": not a checkpoint of this project; scripts/convert-checkpoint makes one"));
}

absl::StatusOr<Json> MetadataObject(const std::map<std::string, std::string>& metadata,
                                    const char* key) {
  HIIF_ASSIGN_OR_RETURN(const std::string value, MetadataText(metadata, key));
  absl::StatusOr<Json> json = ParseJson(value, {.depth = 2, .values = 1000});
  if (json.ok()) return json;
  return absl::InvalidArgumentError(absl::StrCat(key, ": ", json.status().message()));
}

}  // namespace

absl::StatusOr<Normalisation> ReadNormalisation(
    const std::map<std::string, std::string>& metadata) {
  Normalisation normalisation;
  HIIF_ASSIGN_OR_RETURN(normalisation.mean, ReadTriple(metadata, "mean", -1000));
  HIIF_ASSIGN_OR_RETURN(normalisation.deviation, ReadTriple(metadata, "std", 0.001f));
  return normalisation;
}

absl::StatusOr<EncoderConfig> EncoderFromMetadata(
    const std::map<std::string, std::string>& metadata) {
  HIIF_ASSIGN_OR_RETURN(const std::string name, MetadataText(metadata, "encoder"));
  HIIF_ASSIGN_OR_RETURN(const Json config, MetadataObject(metadata, "encoder_config"));
  return ReadEncoder(name, config);
}

absl::StatusOr<ModelConfig> ConfigFromMetadata(const std::map<std::string, std::string>& metadata) {
  const auto text = [&](const char* key) { return MetadataText(metadata, key); };
  const auto object = [&](const char* key) { return MetadataObject(metadata, key); };
  size_t bytes = 0;
  for (const auto& [key, value] : metadata) bytes += key.size() + value.size();
  if (bytes > kMaxMetadata) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", bytes, " bytes of metadata, more than the ", kMaxMetadata, " allowed"));
  }
  HIIF_ASSIGN_OR_RETURN(const std::string version, text("format_version"));
  if (version != kFormatVersion) {
    return absl::InvalidArgumentError(absl::StrCat("has format version ", Quoted(version),
                                                   ", this program reads ", kFormatVersion));
  }
  HIIF_ASSIGN_OR_RETURN(const std::string normalisation, text("normalisation"));
  ModelConfig config;
  if (normalisation == kPerChannel) {
    HIIF_ASSIGN_OR_RETURN(config.normalisation, ReadNormalisation(metadata));
  } else if (normalisation != kNormalisation) {
    return absl::InvalidArgumentError(absl::StrCat("normalisation ", Quoted(normalisation),
                                                   " is neither ", kNormalisation, " nor ",
                                                   kPerChannel));
  }
  HIIF_ASSIGN_OR_RETURN(config.encoder, EncoderFromMetadata(metadata));
  HIIF_ASSIGN_OR_RETURN(const std::string decoder, text("decoder"));
  HIIF_ASSIGN_OR_RETURN(const Json decoder_config, object("decoder_config"));
  HIIF_ASSIGN_OR_RETURN(config.decoder, ReadDecoder(decoder, decoder_config));
  HIIF_RETURN_IF_ERROR(CheckCall(*config.decoder, config.encoder->features()));
  if (config.decoder->filters() != (EncoderName(config.encoder) == "none")) {
    return absl::InvalidArgumentError(absl::StrCat("decoder ", DecoderName(config.decoder),
                                                   " does not go with encoder ",
                                                   EncoderName(config.encoder)));
  }
  HIIF_ASSIGN_OR_RETURN(const std::string mode, text("coordinates"));
  if (mode != "exact" && mode != "reference") {
    return absl::InvalidArgumentError(
        absl::StrCat("coordinates ", Quoted(mode), " are neither \"exact\" nor \"reference\""));
  }
  config.coordinates = mode == "exact" ? CoordinateMode::kExact : CoordinateMode::kReference;
  return config;
}

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& path,
                                            const SafetensorsLimits& limits) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  HIIF_ASSIGN_OR_RETURN(checkpoint.tensors_, Safetensors::Open(path, limits));
  absl::StatusOr<ModelConfig> config = ConfigFromMetadata(checkpoint.tensors_->metadata());
  if (!config.ok()) return InFile(path, config.status());
  checkpoint.config_ = *std::move(config);
  HIIF_RETURN_IF_ERROR(checkpoint.Load());
  return checkpoint;
}

absl::StatusOr<Checkpoint> Checkpoint::OpenForeign(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  HIIF_ASSIGN_OR_RETURN(checkpoint.tensors_, Safetensors::Open(path));
  absl::StatusOr<ModelConfig> config = InferConfig(*checkpoint.tensors_);
  if (!config.ok()) return InFile(path, config.status());
  checkpoint.config_ = *std::move(config);
  HIIF_RETURN_IF_ERROR(checkpoint.Load());
  return checkpoint;
}

absl::Status Checkpoint::CheckShapes(const std::string& prefix) const {
  const auto error = [&](const std::string& name, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": tensor ", Quoted(name), " ", what));
  };
  const std::map<std::string, std::vector<int64_t>> expected = ParameterShapes(config_);
  for (const auto& [bare, shape] : expected) {
    const std::string name = prefix + bare;
    const auto found = tensors_->tensors().find(name);
    if (found == tensors_->tensors().end()) return error(name, "is missing");
    if (found->second.shape != shape) {
      return error(name, absl::StrCat("has shape ", ShapeText(found->second.shape),
                                      ", the network needs ", ShapeText(shape)));
    }
  }
  for (const auto& [name, tensor] : tensors_->tensors()) {
    if (IsDerived(name) || absl::StartsWith(name, kFaithful) != (prefix == kFaithful)) continue;
    if (!expected.contains(name.substr(prefix.size()))) {
      return error(name, "is not known to this network");
    }
    if (tensor.type == TensorType::kU8 || tensor.type == TensorType::kI64) {
      return error(name, "does not hold floats");
    }
  }
  return absl::OkStatus();
}

absl::Status Checkpoint::Load() {
  for (const auto& [name, tensor] : tensors_->tensors()) {
    if (absl::StartsWith(name, kFaithful)) has_faithful_ = true;
  }
  HIIF_RETURN_IF_ERROR(CheckShapes(""));
  if (has_faithful_) HIIF_RETURN_IF_ERROR(CheckShapes(kFaithful));
  HIIF_RETURN_IF_ERROR(tensors_->Load());
  for (const auto& [name, tensor] : tensors_->tensors()) {
    if (!IsDerived(name) && !AllFinite(tensor)) {
      return absl::DataLossError(
          absl::StrCat(path_, ": tensor ", Quoted(name), " holds NaN or infinity"));
    }
  }
  const absl::Span<const uint8_t> file = tensors_->file();
  digest_ = Sha256Hex({reinterpret_cast<const char*>(file.data()), file.size()});
  return absl::OkStatus();
}

Checkpoint Checkpoint::Faithful() const {
  Checkpoint faithful = *this;
  faithful.tensors_ = tensors_->Below(kFaithful);
  faithful.has_faithful_ = false;
  return faithful;
}

int64_t Checkpoint::parameters() const {
  int64_t count = 0;
  for (const auto& [name, shape] : ParameterShapes(config_)) {
    count += tensors_->tensors().at(name).elements();
  }
  return count;
}

std::map<std::string, std::string> ConfigMetadata(const ModelConfig& config) {
  std::map<std::string, std::string> metadata = {
      {"format_version", kFormatVersion},
      {"normalisation", kNormalisation},
      {"encoder", EncoderName(config.encoder)},
      {"encoder_config", config.encoder->sizes().dump()},
      {"decoder", DecoderName(config.decoder)},
      {"decoder_config", config.decoder->sizes().dump()},
      {"coordinates", CoordinateModeName(config.coordinates)}};
  if (config.normalisation != Normalisation{}) {
    metadata["normalisation"] = kPerChannel;
    metadata["mean"] = TripleText(config.normalisation.mean);
    metadata["std"] = TripleText(config.normalisation.deviation);
  }
  return metadata;
}

}  // namespace hiif
