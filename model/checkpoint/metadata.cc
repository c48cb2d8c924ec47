// The configuration of a network as metadata, and the way back.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "model/checkpoint/checkpoint.h"

namespace hiif {
namespace {

using Json = nlohmann::json;

constexpr char kFormatVersion[] = "1";
constexpr char kNormalisation[] = "(x-0.5)/0.5";
constexpr int kMaxSize = 65536;         // of anything in a configuration
constexpr int64_t kMaxWindow = 1024;    // pixels of a window that attends to itself
constexpr size_t kMaxMetadata = 16384;  // bytes: lists of models hold that of each
constexpr JsonBounds kConfigBounds = {.depth = 2, .values = 1000};

// Reads the members of a JSON object; each must be there, be of its kind, and there must be no
// other.
class ObjectReader {
 public:
  ObjectReader(const Json& object, std::string what) : object_(object), what_(std::move(what)) {
    if (!object.is_object()) Fail("is not a JSON object");
  }
  int Size(const char* key, int least) {
    ++members_;
    if (!status_.ok()) return least;
    if (!object_.contains(key) || !InRange(object_[key], least)) {
      Fail(absl::StrCat("needs ", key, ", a whole number from ", least, " to ", kMaxSize));
      return least;
    }
    return object_[key].get<int>();
  }
  std::vector<int> Sizes(const char* key) {
    ++members_;
    if (!status_.ok()) return {};
    if (!object_.contains(key) || !object_[key].is_array() || object_[key].empty() ||
        !std::all_of(object_[key].begin(), object_[key].end(),
                     [](const Json& v) { return InRange(v, 1); })) {
      Fail(absl::StrCat("needs ", key, ", a list of whole numbers"));
      return {};
    }
    return object_[key].get<std::vector<int>>();
  }
  std::string Text(const char* key) {
    ++members_;
    if (!status_.ok()) return "";
    if (!object_.contains(key) || !object_[key].is_string()) {
      Fail(absl::StrCat("needs ", key, ", a text"));
      return "";
    }
    return object_[key].get<std::string>();
  }
  void Fail(absl::string_view why) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(what_, " ", why));
  }
  absl::Status Finish() {
    if (status_.ok() && object_.size() != members_) Fail("has members that are not known");
    return status_;
  }

 private:
  static bool InRange(const Json& value, int least) {
    return value.is_number_integer() && value.get<int64_t>() >= least &&
           value.get<int64_t>() <= kMaxSize;
  }
  const Json& object_;
  std::string what_;
  size_t members_ = 0;
  absl::Status status_;
};

constexpr std::pair<Ablation, const char*> kAblations[] = {{Ablation::kNone, "none"},
                                                           {Ablation::kNoHierarchy, "v1-H"},
                                                           {Ablation::kSingleScale, "v2-MS"},
                                                           {Ablation::kNoAttention, "v3-MH"}};

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
Json ToJson(const HiifConfig& c) {
  const auto ablation = std::find_if(std::begin(kAblations), std::end(kAblations),
                                     [&](const auto& a) { return a.first == c.ablation; });
  return {{"width", c.width},
          {"levels", c.levels},
          {"heads", c.heads},
          {"attention_blocks", c.attention_blocks},
          {"ablation", ablation->second}};
}
Json ToJson(const LiifConfig& c) { return {{"hidden", c.hidden}}; }

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
                      reader.Size("mlp_hidden", 1), reader.Size("output_features", 1)};
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
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("encoder ", Quoted(name), " is none of edsr-baseline, rdn, swinir, dat"));
  }
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return config;
}

absl::StatusOr<DecoderConfig> ReadDecoder(const std::string& name, const Json& json) {
  ObjectReader reader(json, "decoder_config");
  DecoderConfig config;
  if (name == "hiif") {
    HiifConfig hiif{reader.Size("width", 1), reader.Size("levels", 2), reader.Size("heads", 1),
                    reader.Size("attention_blocks", 0), Ablation::kNone};
    const std::string ablation = reader.Text("ablation");
    const auto found = std::find_if(std::begin(kAblations), std::end(kAblations),
                                    [&](const auto& a) { return a.second == ablation; });
    if (found == std::end(kAblations)) {
      reader.Fail("has an ablation that is none of none, v1-H, v2-MS, v3-MH");
    } else {
      hiif.ablation = found->first;
    }
    if (hiif.width % hiif.heads != 0) reader.Fail("has a width that its heads do not divide");
    if (hiif.levels > 16) reader.Fail("has more than 16 levels");
    config = hiif;
  } else if (name == "liif") {
    config = LiifConfig{reader.Sizes("hidden")};
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("decoder ", Quoted(name), " is neither hiif nor liif"));
  }
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return config;
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
  absl::StatusOr<Json> json = ParseJson(value, kConfigBounds);
  if (json.ok()) return json;
  return absl::InvalidArgumentError(absl::StrCat(key, ": ", json.status().message()));
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
  if (normalisation != kNormalisation) {
    return absl::InvalidArgumentError(
        absl::StrCat("normalisation ", Quoted(normalisation), " is not ", kNormalisation));
  }
  ModelConfig config;
  HIIF_ASSIGN_OR_RETURN(config.encoder, EncoderFromMetadata(metadata));
  HIIF_ASSIGN_OR_RETURN(const std::string decoder, text("decoder"));
  HIIF_ASSIGN_OR_RETURN(const Json decoder_config, object("decoder_config"));
  HIIF_ASSIGN_OR_RETURN(config.decoder, ReadDecoder(decoder, decoder_config));
  HIIF_ASSIGN_OR_RETURN(const std::string mode, text("coordinates"));
  if (mode != "exact" && mode != "reference") {
    return absl::InvalidArgumentError(
        absl::StrCat("coordinates ", Quoted(mode), " are neither \"exact\" nor \"reference\""));
  }
  config.coordinates = mode == "exact" ? CoordinateMode::kExact : CoordinateMode::kReference;
  return config;
}

std::map<std::string, std::string> ConfigMetadata(const ModelConfig& config) {
  const auto json = [](const auto& c) { return ToJson(c).dump(); };
  return {{"format_version", kFormatVersion},
          {"normalisation", kNormalisation},
          {"encoder", EncoderName(config.encoder)},
          {"encoder_config", std::visit(json, config.encoder)},
          {"decoder", DecoderName(config.decoder)},
          {"decoder_config", std::visit(json, config.decoder)},
          {"coordinates", CoordinateModeName(config.coordinates)}};
}

}  // namespace hiif
