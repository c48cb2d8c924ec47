#include "model/checkpoint/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "model/checkpoint/object_reader.h"
#include "model/checkpoint/shapes.h"
#include "model/decoders/types.h"

namespace hiif {
namespace {

constexpr char kFormatVersion[] = "1";
constexpr char kNormalisation[] = "(x-0.5)/0.5";
constexpr int64_t kMaxWindow = 1024;            // pixels of a window that attends to itself
constexpr char kPerChannel[] = "(x-mean)/std";  // with metadata "mean" and "std"

// Buffers of released checkpoints that follow from the configuration.
bool IsDerived(const std::string& name) {
  return absl::EndsWith(name, ".attn_mask") || absl::EndsWith(name, ".relative_position_index") ||
         absl::StartsWith(name, "encoder.sub_mean.") ||
         absl::StartsWith(name, "encoder.add_mean.") || name == "cs_attn.escape_NaN";
}

Json ToJson(const EdsrConfig& c) { return {{"features", c.features}, {"blocks", c.blocks}}; }
Json ToJson(const RdnConfig& c) {
  return {{"base_features", c.base_features},
          {"blocks", c.blocks},
          {"layers_per_block", c.layers_per_block},
          {"growth", c.growth}};
}
Json ToJson(const SwinIrConfig& c) {
  return {{"embed_dim", c.embed_dim},   {"depths", c.depths},
          {"heads", c.heads},           {"window", c.window},
          {"mlp_hidden", c.mlp_hidden}, {"output_features", c.output_features}};
}
Json ToJson(const DatConfig& c) {
  return {{"embed_dim", c.embed_dim},
          {"depths", c.depths},
          {"heads", c.heads},
          {"ffn_hidden", c.ffn_hidden},
          {"window_short", c.window_short},
          {"window_long", c.window_long},
          {"output_scale", c.output_scale}};
}
Json ToJson(const NoEncoderConfig&) { return Json::object(); }

absl::StatusOr<EncoderConfig> ReadEncoder(const std::string& name, const Json& json) {
  ObjectReader reader(json, "encoder_config");
  EncoderConfig config;
  if (name == "edsr-baseline") {
    config = EdsrConfig{reader.Size("features", 1), reader.Size("blocks", 1)};
  } else if (name == "rdn") {
    config = RdnConfig{reader.Size("base_features", 1), reader.Size("blocks", 1),
                       reader.Size("layers_per_block", 1), reader.Size("growth", 1)};
  } else if (name == "swinir") {
    SwinIrConfig swin{reader.Size("embed_dim", 1),  reader.Sizes("depths"),
                      reader.Sizes("heads"),        reader.Size("window", 2),
                      reader.Size("mlp_hidden", 1), reader.Size("output_features", 0)};
    if (swin.depths.size() != swin.heads.size())
      reader.Fail("has depths and heads of different length");
    for (const int heads : swin.heads) {
      if (swin.embed_dim % heads != 0) reader.Fail("has an embed_dim that its heads do not divide");
    }
    config = swin;
  } else if (name == "dat") {
    DatConfig dat{reader.Size("embed_dim", 32),   reader.Sizes("depths"),
                  reader.Sizes("heads"),          reader.Size("ffn_hidden", 2),
                  reader.Size("window_short", 2), reader.Size("window_long", 2),
                  reader.Size("output_scale", 1)};
    if (dat.depths.size() != dat.heads.size())
      reader.Fail("has depths and heads of different length");
    for (const int heads : dat.heads) {
      if (heads % 2 != 0 || dat.embed_dim % heads != 0)
        reader.Fail("needs an even number of heads that divides embed_dim");
    }
    if (dat.ffn_hidden % 2 != 0) reader.Fail("needs an even ffn_hidden");
    if (dat.window_short % 2 != 0 || dat.window_long % dat.window_short != 0 ||
        int64_t{dat.window_short} * dat.window_long > kMaxWindow) {
      reader.Fail(absl::StrCat("needs an even window_short that divides window_long, of ",
                               kMaxWindow, " pixels together at most"));
    }
    config = dat;
  } else if (name == "none") {
    config = NoEncoderConfig{};
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("encoder \"", name, "\" is none of edsr-baseline, rdn, swinir, dat, none"));
  }
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return config;
}

absl::StatusOr<DecoderConfig> ReadDecoder(const std::string& name, const Json& json) {
  const DecoderType* type = FindDecoderType(name);
  if (type == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "decoder \"", name, "\" is none of ",
        absl::StrJoin(DecoderTypes(), ", ",
                      [](std::string* out, const auto* t) { absl::StrAppend(out, t->name); })));
  }
  ObjectReader reader(json, "decoder_config");
  DecoderConfig config = type->read(reader);
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return config;
}

// Decoders that filter pixels take the image itself; no other can.
absl::Status CheckPair(const ModelConfig& config) {
  if (std::holds_alternative<NoEncoderConfig>(config.encoder) == IsFilter(config.decoder))
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("decoder ", DecoderName(config.decoder),
                                                 " does not go with encoder ",
                                                 EncoderName(config.encoder)));
}

// Three numbers a,b,c.
absl::StatusOr<std::array<float, 3>> ReadTriple(const std::map<std::string, std::string>& metadata,
                                                const std::string& key) {
  std::array<float, 3> out{};
  const auto found = metadata.find(key);
  const std::vector<std::string> parts =
      found == metadata.end() ? std::vector<std::string>() : absl::StrSplit(found->second, ',');
  bool good = parts.size() == out.size();
  for (size_t i = 0; good && i < out.size(); ++i) {
    good = absl::SimpleAtof(parts[i], &out[i]) && std::isfinite(out[i]) &&
           (key == "mean" || out[i] >= 1e-3f) && std::fabs(out[i]) <= 1e3f;
  }
  if (good) return out;
  return absl::InvalidArgumentError(
      absl::StrCat("metadata \"", key, "\" is not three numbers a,b,c",
                   key == "mean" ? "" : " from 0.001", "; the normalisation needs them"));
}

absl::StatusOr<Normalisation> ReadMeanAndDeviation(
    const std::map<std::string, std::string>& metadata) {
  Normalisation normalisation;
  HIIF_ASSIGN_OR_RETURN(normalisation.mean, ReadTriple(metadata, "mean"));
  HIIF_ASSIGN_OR_RETURN(normalisation.deviation, ReadTriple(metadata, "std"));
  return normalisation;
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
  return Json::parse(value, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

absl::StatusOr<EncoderConfig> EncoderFromMetadata(
    const std::map<std::string, std::string>& metadata) {
  HIIF_ASSIGN_OR_RETURN(const std::string name, MetadataText(metadata, "encoder"));
  HIIF_ASSIGN_OR_RETURN(const Json config, MetadataObject(metadata, "encoder_config"));
  return ReadEncoder(name, config);
}

absl::StatusOr<ModelConfig> ConfigFromMetadata(const std::map<std::string, std::string>& metadata) {
  const auto text = [&](const char* key) { return MetadataText(metadata, key); };
  const auto object = [&](const char* key) { return MetadataObject(metadata, key); };
  HIIF_ASSIGN_OR_RETURN(const std::string version, text("format_version"));
  if (version != kFormatVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("has format version ", version, ", this program reads ", kFormatVersion));
  }
  HIIF_ASSIGN_OR_RETURN(const std::string normalisation, text("normalisation"));
  ModelConfig config;
  if (normalisation == kPerChannel) {
    HIIF_ASSIGN_OR_RETURN(config.normalisation, ReadMeanAndDeviation(metadata));
  } else if (normalisation != kNormalisation) {
    return absl::InvalidArgumentError(absl::StrCat(
        "normalisation \"", normalisation, "\" is neither ", kNormalisation, " nor ", kPerChannel));
  }
  HIIF_ASSIGN_OR_RETURN(config.encoder, EncoderFromMetadata(metadata));
  HIIF_ASSIGN_OR_RETURN(const std::string decoder, text("decoder"));
  HIIF_ASSIGN_OR_RETURN(const Json decoder_config, object("decoder_config"));
  HIIF_ASSIGN_OR_RETURN(config.decoder, ReadDecoder(decoder, decoder_config));
  HIIF_RETURN_IF_ERROR(CheckPair(config));
  HIIF_ASSIGN_OR_RETURN(const std::string mode, text("coordinates"));
  if (mode != "exact" && mode != "reference") {
    return absl::InvalidArgumentError(
        absl::StrCat("coordinates \"", mode, "\" are neither \"exact\" nor \"reference\""));
  }
  config.coordinates = mode == "exact" ? CoordinateMode::kExact : CoordinateMode::kReference;
  return config;
}

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  HIIF_ASSIGN_OR_RETURN(checkpoint.tensors_, Safetensors::Map(path));
  absl::StatusOr<ModelConfig> config = ConfigFromMetadata(checkpoint.tensors_->metadata());
  if (!config.ok()) return InFile(path, config.status());
  checkpoint.config_ = *std::move(config);
  HIIF_RETURN_IF_ERROR(checkpoint.Check());
  return checkpoint;
}

absl::StatusOr<Checkpoint> Checkpoint::OpenForeign(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  HIIF_ASSIGN_OR_RETURN(checkpoint.tensors_, Safetensors::Map(path));
  absl::StatusOr<ModelConfig> config = InferConfig(*checkpoint.tensors_);
  if (!config.ok()) return InFile(path, config.status());
  checkpoint.config_ = *std::move(config);
  HIIF_RETURN_IF_ERROR(checkpoint.Check());
  return checkpoint;
}

absl::Status Checkpoint::Check() {
  const auto error = [&](const std::string& name, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": tensor ", name, " ", what));
  };
  const std::map<std::string, std::vector<int64_t>> expected = ParameterShapes(config_);
  for (const auto& [name, shape] : expected) {
    const auto found = tensors_->tensors().find(name);
    if (found == tensors_->tensors().end()) return error(name, "is missing");
    if (found->second.shape != shape) {
      return error(name, absl::StrCat("has shape ", ShapeText(found->second.shape),
                                      ", the network needs ", ShapeText(shape)));
    }
  }
  for (const auto& [name, tensor] : tensors_->tensors()) {
    if (IsDerived(name)) continue;
    if (!expected.contains(name)) return error(name, "is not known to this network");
    if (tensor.type == TensorType::kU8 || tensor.type == TensorType::kI64) {
      return error(name, "does not hold floats");
    }
    if (!AllFinite(tensor)) {
      return absl::DataLossError(absl::StrCat(path_, ": tensor ", name, " holds NaN or infinity"));
    }
  }
  const absl::Span<const uint8_t> file = tensors_->file();
  digest_ = Sha256Hex({reinterpret_cast<const char*>(file.data()), file.size()});
  return absl::OkStatus();
}

int64_t Checkpoint::parameters() const {
  int64_t count = 0;
  for (const auto& [name, shape] : ParameterShapes(config_)) {
    count += tensors_->tensors().at(name).elements();
  }
  return count;
}

std::map<std::string, std::string> ConfigMetadata(const ModelConfig& config) {
  const auto json = [](const auto& c) { return ToJson(c).dump(); };
  std::map<std::string, std::string> metadata = {
      {"format_version", kFormatVersion},
      {"normalisation", kNormalisation},
      {"encoder", EncoderName(config.encoder)},
      {"encoder_config", std::visit(json, config.encoder)},
      {"decoder", DecoderName(config.decoder)},
      {"decoder_config", TypeOf(config.decoder).write(config.decoder).dump()},
      {"coordinates", CoordinateModeName(config.coordinates)}};
  if (config.normalisation != Normalisation{}) {
    metadata["normalisation"] = kPerChannel;
    const auto shortest = [](std::string* out, float value) {
      std::array<char, 32> digits;
      out->append(digits.data(), std::to_chars(digits.begin(), digits.end(), value).ptr);
    };
    metadata["mean"] = absl::StrJoin(config.normalisation.mean, ",", shortest);
    metadata["std"] = absl::StrJoin(config.normalisation.deviation, ",", shortest);
  }
  return metadata;
}

absl::StatusOr<ModelConfig> InferConfig(const Safetensors& tensors) {
  ModelConfig config;
  HIIF_ASSIGN_OR_RETURN(config.encoder, InferEncoder(tensors));
  const auto types = DecoderTypes();
  const auto type = std::find_if(types.begin(), types.end(),
                                 [&](const DecoderType* t) { return t->recognise(tensors); });
  if (type == types.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "holds no decoder that is known (",
        absl::StrJoin(
            types, ", ",
            [](std::string* out, const DecoderType* t) { absl::StrAppend(out, t->title); }),
        ")"));
  }
  config.decoder = (*type)->infer(tensors);
  const auto mode = tensors.metadata().find("coordinates");
  const std::string name = mode == tensors.metadata().end() ? "reference" : mode->second;
  if (name != "reference" && name != "exact") {
    return absl::InvalidArgumentError(
        absl::StrCat("coordinates \"", name, "\" are neither \"reference\" nor \"exact\""));
  }
  config.coordinates = name == "exact" ? CoordinateMode::kExact : CoordinateMode::kReference;
  if (tensors.metadata().contains("mean")) {
    HIIF_ASSIGN_OR_RETURN(config.normalisation, ReadMeanAndDeviation(tensors.metadata()));
  }
  // Sizes of a damaged file may contradict each other.
  return ConfigFromMetadata(ConfigMetadata(config));
}

}  // namespace hiif
