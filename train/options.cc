#include "train/options.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "model/checkpoint/checkpoint.h"
#include "model/decoders/decoder.h"

namespace hiif::train {
namespace {

using Json = nlohmann::ordered_json;

HiifConfig Ablated(Ablation ablation) {
  HiifConfig config;
  config.ablation = ablation;
  return config;
}

const std::map<std::string, EncoderConfig>& Encoders() {
  static const auto* const kEncoders = new std::map<std::string, EncoderConfig>{
      {"edsr-baseline", EdsrConfig{}},
      {"dat-light", DatConfig{}},
      {"rdn", RdnConfig{}},
      {"rdn-small",
       RdnConfig{.base_features = 64, .blocks = 6, .layers_per_block = 4, .growth = 32}},
      {"swinir", SwinIrConfig{}},
      // Convolutions learn sooner than attention: many groups, and two layers in each.
      {"swinir-small", SwinIrConfig{.embed_dim = 60,
                                    .depths = std::vector<int>(8, 2),
                                    .heads = std::vector<int>(8, 6),
                                    .window = 8,
                                    .mlp_hidden = 120,
                                    .output_features = 0}},
  };
  return *kEncoders;
}

const std::map<std::string, DecoderConfig>& Decoders() {
  static const auto* const kDecoders = new std::map<std::string, DecoderConfig>{
      {"hiif", HiifConfig{}},
      {"hiif-fast", HiifConfig{.width = 96}},  // 0.29 of the query time, by AMX too (128: 0.42)
      {"ciaosr", CiaoSrConfig{}},
      {"clit", ClitConfig{}},
      {"clit-1", ClitConfig{.stages = 1}},
      {"liif", LiifConfig{}},
      {"lte", LteConfig{}},
      {"metasr", MetaSrConfig{}},
      {"srno", SrnoConfig{}},
      {"hiif-v1-H", Ablated(Ablation::kNoHierarchy)},
      {"hiif-v2-MS", Ablated(Ablation::kSingleScale)},
      {"hiif-v3-MH", Ablated(Ablation::kNoAttention)},
  };
  return *kDecoders;
}

// "name {json}" as the metadata of a checkpoint has it.
bool SplitSpec(const std::string& spec, std::string& name, std::string& json) {
  const size_t brace = spec.find('{');
  if (brace == std::string::npos) return false;
  name = spec.substr(0, spec.find_last_not_of(' ', brace - 1) + 1);
  json = spec.substr(brace);
  return true;
}

template <class Config>
std::string Names(const std::map<std::string, Config>& configs) {
  return absl::StrJoin(configs, ", ", [](std::string* out, const auto& c) { *out += c.first; });
}

void Read(const Json& json, std::string& value) { value = json.get<std::string>(); }
void Read(const Json& json, bool& value) { value = json.get<bool>(); }
void Read(const Json& json, int64_t& value) { value = json.get<int64_t>(); }
void Read(const Json& json, double& value) { value = json.get<double>(); }
template <class T>
void Read(const Json& json, std::vector<T>& value) {
  value = json.get<std::vector<T>>();
}

bool IsFinite(double value) { return std::isfinite(value); }
bool IsFinite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return IsFinite(value); });
}
template <class T>
bool IsFinite(const T& /*value*/) {
  return true;
}

// cpu, cuda or cuda:N.
bool IsDevice(absl::string_view name) {
  int number;
  return name == "cpu" || name == "cuda" ||
         (absl::ConsumePrefix(&name, "cuda:") && absl::SimpleAtoi(name, &number) && number >= 0 &&
          number < 128);
}

bool Fits(const Json& json, const std::string&) { return json.is_string(); }
bool Fits(const Json& json, bool) { return json.is_boolean(); }
bool Fits(const Json& json, int64_t) { return json.is_number_integer(); }
bool Fits(const Json& json, double) { return json.is_number(); }
template <class T>
bool Fits(const Json& json, const std::vector<T>&) {
  return json.is_array() && std::all_of(json.begin(), json.end(),
                                        [](const Json& member) { return Fits(member, T{}); });
}

}  // namespace

absl::Status Validate(const TrainOptions& o) {
  const auto error = [](const auto&... parts) {
    return absl::InvalidArgumentError(absl::StrCat(parts...));
  };
  // JSON, in which options are kept, has no other numbers.
  std::string not_finite;
  VisitOptions(o, [&](const char* name, const auto& value, const char*, bool) {
    if (!IsFinite(value)) not_finite = name;
  });
  if (!not_finite.empty()) return error(not_finite, " must be a finite number");
  if (o.data.empty()) return error("data is missing: a file made by hiif-data pack");
  if (o.steps < 1) return error("steps must be at least 1");
  if (!(o.learning_rate > 0)) return error("learning-rate must be above 0");
  if (!(o.encoder_rate >= 0)) return error("encoder-rate must not be negative");
  if (!(o.teacher_weight >= 0 && o.teacher_weight <= 1)) {
    return error("teacher-weight must lie in [0,1]");
  }
  if (o.teacher_target != "output" && o.teacher_target != "features") {
    return error("teacher-target \"", o.teacher_target, "\" is neither output nor features");
  }
  if (o.teacher_target == "features" && o.teacher.empty()) {
    return error("teacher-target features needs a --teacher");
  }
  if (o.teacher_target == "features" && o.encoder_rate == 0) {
    return error("teacher-target features trains the encoder: encoder-rate must be above 0");
  }
  if (!o.teacher.empty() && o.degrade) {
    return error(
        "a teacher sees the same damaged patch, which it was not trained for: leave "
        "--teacher or --degrade away");
  }
  if (o.loss != "l1" && o.loss != "mse") {
    return error("loss \"", o.loss, "\" is neither l1 nor mse");
  }
  if (o.optimizer != "adam" && o.optimizer != "muon") {
    return error("optimizer \"", o.optimizer, "\" is neither adam nor muon");
  }
  if (o.schedule != "constant" && o.schedule != "cosine" && o.schedule != "steps") {
    return error("schedule \"", o.schedule, "\" is none of constant, cosine, steps");
  }
  if (o.warmup < 0) return error("warmup must not be negative");
  if (!(o.final_rate >= 0 && o.final_rate <= 1)) return error("final-rate must lie in [0,1]");
  if (!(o.beta1 >= 0 && o.beta1 < 1) || !(o.beta2 >= 0 && o.beta2 < 1)) {
    return error("beta1 and beta2 must lie in [0,1)");
  }
  if (!(o.clip >= 0)) return error("clip must not be negative");
  if (!(o.average >= 0 && o.average < 1)) return error("average must lie in [0,1)");
  if (o.precision != "float32" && o.precision != "bfloat16") {
    return error("precision \"", o.precision, "\" is neither float32 nor bfloat16");
  }
  if (o.coordinates != "exact" && o.coordinates != "reference") {
    return error("coordinates \"", o.coordinates, "\" are neither exact nor reference");
  }
  if (o.shards < 1 || o.batch < 1 || o.batch % o.shards != 0) {
    return error("batch ", o.batch, " is not a multiple of shards ", o.shards);
  }
  if (o.threads < 0 || o.loader_threads < 1) {
    return error("threads must not be negative, loader-threads at least 1");
  }
  if (!(o.checkpoint_minutes > 0) || !(o.minutes >= 0)) {
    return error("checkpoint-minutes must be above 0, minutes not negative");
  }
  if (o.validate_every < 0 || o.log_every < 1 || o.max_bad_steps < 0) {
    return error("validate-every and max-bad-steps must not be negative, log-every at least 1");
  }
  if (!IsDevice(o.device)) return error("device \"", o.device, "\" is none of cpu, cuda, cuda:N");
  if (o.validation_crop < 1) return error("validation-crop must be at least 1");
  if (o.validation_scales.empty()) {
    return error("validation-scales are missing: --validate-every 0 leaves the validation out");
  }
  for (const double scale : o.validation_scales) {
    if (!(scale >= 1 && scale <= 16)) return error("validation-scales must lie in [1,16]");
  }
  return absl::OkStatus();
}

std::string OptionsJson(const TrainOptions& options) {
  Json json = Json::object();
  VisitOptions(options,
               [&](const char* name, const auto& value, const char*, bool) { json[name] = value; });
  return json.dump(2) + "\n";
}

absl::StatusOr<TrainOptions> ParseOptions(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("options are not a JSON object");
  TrainOptions options;
  absl::Status status;
  size_t known = 0;
  VisitOptions(options, [&](const char* name, auto& value, const char*, bool) {
    if (!json.contains(name)) return;
    ++known;
    if (Fits(json[name], value)) {
      Read(json[name], value);
    } else {
      status.Update(
          absl::InvalidArgumentError(absl::StrCat("option ", name, " is of a wrong kind")));
    }
  });
  if (known != json.size()) {
    status.Update(absl::InvalidArgumentError("options hold a member that is not known"));
  }
  HIIF_RETURN_IF_ERROR(status);
  return options;
}

std::string CourseDifferences(const TrainOptions& a, const TrainOptions& b) {
  const Json first = Json::parse(OptionsJson(a));
  const Json second = Json::parse(OptionsJson(b));
  std::vector<std::string> names;
  VisitOptions(a, [&](const char* name, const auto&, const char*, bool changes_course) {
    if (changes_course && first[name] != second[name]) names.emplace_back(name);
  });
  return absl::StrJoin(names, ", ");
}

absl::StatusOr<ModelConfig> NetworkOf(const TrainOptions& options, const ModelConfig& base) {
  std::map<std::string, std::string> metadata = ConfigMetadata(base);
  std::string name;
  std::string json;
  if (SplitSpec(options.encoder, name, json)) {
    metadata["encoder"] = name;
    metadata["encoder_config"] = json;
  } else if (!options.encoder.empty()) {
    const auto found = Encoders().find(options.encoder);
    if (found == Encoders().end()) {
      return absl::InvalidArgumentError(absl::StrCat("no encoder \"", options.encoder,
                                                     "\"; there are ", Names(Encoders()),
                                                     " and NAME {JSON}"));
    }
    ModelConfig wanted = base;
    wanted.encoder = found->second;
    metadata["encoder"] = ConfigMetadata(wanted).at("encoder");
    metadata["encoder_config"] = ConfigMetadata(wanted).at("encoder_config");
  }
  if (SplitSpec(options.decoder, name, json)) {
    metadata["decoder"] = name;
    metadata["decoder_config"] = json;
  } else if (!options.decoder.empty()) {
    const auto found = Decoders().find(options.decoder);
    if (found == Decoders().end()) {
      return absl::InvalidArgumentError(absl::StrCat("no decoder \"", options.decoder,
                                                     "\"; there are ", Names(Decoders()),
                                                     " and NAME {JSON}"));
    }
    ModelConfig wanted = base;
    wanted.decoder = found->second;
    metadata["decoder"] = ConfigMetadata(wanted).at("decoder");
    metadata["decoder_config"] = ConfigMetadata(wanted).at("decoder_config");
  }
  metadata["coordinates"] = options.coordinates;
  HIIF_ASSIGN_OR_RETURN(const ModelConfig config, ConfigFromMetadata(metadata));
  if (config.decoder->filters()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the decoder ", DecoderName(config.decoder), " has nothing to train"));
  }
  if (config.normalisation != Normalisation{}) {
    return absl::InvalidArgumentError(
        "networks that take (x-mean)/std cannot be trained: the data is (x-0.5)/0.5");
  }
  constexpr int64_t kSide = 1000;
  const auto largest = static_cast<int64_t>(kSide * options.max_scale);
  if (const absl::Status reach = config.decoder->CheckGrid({kSide, kSide}, {largest, largest});
      !reach.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(reach.message(), ": lower --max-scale, or take more stages"));
  }
  return config;
}

double LearningRate(const TrainOptions& o, int64_t step) {
  double rate = o.learning_rate;
  if (o.schedule == "steps") {
    rate *= std::pow(0.5, std::count_if(o.milestones.begin(), o.milestones.end(),
                                        [step](int64_t milestone) { return step >= milestone; }));
  } else if (o.schedule == "cosine") {
    const double length = static_cast<double>(std::max<int64_t>(o.steps - o.warmup, 1));
    const double done = std::clamp(static_cast<double>(step - o.warmup) / length, 0.0, 1.0);
    const double half = 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    rate *= o.final_rate + (1.0 - o.final_rate) * half;
  }
  if (step < o.warmup) rate *= static_cast<double>(step + 1) / static_cast<double>(o.warmup);
  return rate;
}

}  // namespace hiif::train
