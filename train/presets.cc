// What a run is asked for under one name.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "train/options.h"

namespace hiif::train {
namespace {

// Paper (model.md 5): an epoch of 1,000 steps of 16, or of 500 steps of 32 for SwinIR.
TrainOptions Paper(const std::string& encoder) {
  TrainOptions o;
  o.encoder = encoder;
  o.decoder = "hiif";
  o.milestones = {200'000, 400'000, 600'000, 800'000};
  o.average = 0.999;
  return o;
}

TrainOptions PaperSwinIr() {
  TrainOptions o = Paper("swinir");
  o.batch = 32;
  o.learning_rate = 2e-4;
  o.steps = 500'000;
  o.milestones = {250'000, 400'000, 450'000, 475'000};
  return o;
}

TrainOptions Released(const std::string& encoder) {
  TrainOptions o = Paper(encoder);
  o.learning_rate = 4e-4;
  o.schedule = "cosine";
  o.warmup = 50'000;
  o.steps = 1'050'000;
  o.milestones.clear();
  return o;
}

// What runs of hours, not weeks, have in common.
TrainOptions Short() {
  TrainOptions o;
  o.queries = 1024;
  o.schedule = "cosine";
  o.warmup = 200;
  o.steps = 20'000;
  o.clip = 1.0;
  return o;
}

// Goes on from weights that are good already.
TrainOptions EdsrFinetune() {
  TrainOptions o = Short();
  o.batch = 8;
  o.learning_rate = 1e-4;
  o.encoder_rate = 0.25;
  o.final_rate = 0.02;
  o.average = 0.9995;
  return o;
}

// For real photographs: the patches have been through a lens, a sensor and JPEG.
TrainOptions PhotoFinetune() {
  TrainOptions o = EdsrFinetune();
  o.degrade = true;
  o.encoder_rate = 1.0;  // the encoder has to learn to clean
  return o;
}

// A narrow decoder for CPU serving, on an encoder that is good already.
TrainOptions Fast() {
  TrainOptions o = Short();
  o.encoder = "edsr-baseline";
  o.decoder = "hiif-fast";
  o.encoder_rate = 0;
  o.learning_rate = 1e-3;
  return o;
}

// What took minutes where the others took hours (docs/results.md): Muon, at a high rate.
TrainOptions Muon(const std::string& decoder) {
  TrainOptions o = Fast();
  o.decoder = decoder;
  o.batch = 8;
  o.optimizer = "muon";
  o.learning_rate = 2e-3;
  o.warmup = 50;
  o.final_rate = 0.01;
  o.average = 0.99;
  return o;
}

// A decoder on a frozen DAT-light, from a cache of its latent codes (hiif-data cache).
TrainOptions Dat(const std::string& decoder) {
  TrainOptions o = Muon(decoder);
  o.encoder = "dat-light";
  o.patch = 64;
  o.teacher_weight = 0.9;
  o.steps = 2000;
  o.shards = 1;
  return o;
}

// What a network of imagination says of damaged photographs, from a cache (docs/training.md).
TrainOptions Photo() {
  TrainOptions o = Muon("hiif-fast");
  o.patch = 48;
  o.teacher_weight = 1.0;
  o.learning_rate = 1e-3;
  o.encoder_rate = 0.5;
  o.warmup = 20;
  o.final_rate = 0;
  o.average = 0.985;
  o.steps = 2000;
  o.shards = 1;
  return o;
}

// About a million parameters, for a few cores; the decoder of another backbone by --init-decoder.
TrainOptions Small(const std::string& encoder, const std::string& decoder = "hiif") {
  TrainOptions o = Short();
  o.encoder = encoder;
  o.decoder = decoder;
  o.learning_rate = 4e-4;
  o.warmup = 500;
  o.steps = 50'000;
  return o;
}

// Table 4 of the paper at an equal, short budget: the four differ in the decoder alone.
TrainOptions AblationOf(const std::string& decoder) {
  TrainOptions o = Fast();
  o.decoder = decoder;
  o.steps = 10'000;
  return o;
}

// The paper's decoders at an equal budget: the runs differ in the decoder alone. `steps` of it, and
// a cache of latent codes (hiif-data cache) as data, are what the time at hand allows.
TrainOptions DecodersOf(const std::string& decoder) {
  TrainOptions o = Muon(decoder);
  o.queries = 512;
  o.steps = 900;
  return o;
}

struct NamedPreset {
  const char* name;
  const char* help;
  TrainOptions (*make)();
};

constexpr NamedPreset kPresets[] = {
    {"ablation-full", "table 4, the full decoder; --init-encoder gives the encoder",
     [] { return AblationOf("hiif"); }},
    {"ablation-v1-H", "table 4, without the hierarchy", [] { return AblationOf("hiif-v1-H"); }},
    {"ablation-v2-MS", "table 4, all bits at one level", [] { return AblationOf("hiif-v2-MS"); }},
    {"ablation-v3-MH", "table 4, without attention", [] { return AblationOf("hiif-v3-MH"); }},
    {"dat", "a decoder on a frozen DAT-light, from a cache; --init-encoder gives the encoder",
     [] { return Dat("hiif"); }},
    {"dat-fast", "the same, a narrow decoder", [] { return Dat("hiif-fast"); }},
    {"decoders-ciaosr", "the paper's decoders at an equal budget; --init-encoder, --teacher",
     [] { return DecodersOf("ciaosr"); }},
    {"decoders-clit", "the same, CLIT of one stage (trained up to x4)",
     [] { return DecodersOf("clit-1"); }},
    {"decoders-hiif", "the same, HIIF", [] { return DecodersOf("hiif"); }},
    {"decoders-liif", "the same, LIIF", [] { return DecodersOf("liif"); }},
    {"decoders-lte", "the same, LTE", [] { return DecodersOf("lte"); }},
    {"decoders-metasr", "the same, MetaSR", [] { return DecodersOf("metasr"); }},
    {"decoders-srno", "the same, SRNO", [] { return DecodersOf("srno"); }},
    {"edsr-fast", "a narrow decoder on a frozen encoder that --init-encoder gives", Fast},
    {"edsr-finetune", "go on from --init at low rates, the encoder at a quarter", EdsrFinetune},
    {"paper-edsr", "the paper's recipe, EDSR-baseline", [] { return Paper("edsr-baseline"); }},
    {"paper-rdn", "the paper's recipe, RDN", [] { return Paper("rdn"); }},
    {"paper-swinir", "the paper's recipe, SwinIR", PaperSwinIr},
    {"photo", "a sharp network for photographs: go on from --init with a cache of such a teacher",
     Photo},
    {"photo-finetune", "go on from --init with blurred, noisy patches that were JPEG",
     PhotoFinetune},
    {"rdn-small", "RDN of about a million parameters", [] { return Small("rdn-small"); }},
    {"released-edsr", "the released configuration, EDSR-baseline",
     [] { return Released("edsr-baseline"); }},
    {"released-rdn", "the released configuration, RDN", [] { return Released("rdn"); }},
    {"released-swinir", "the released configuration, SwinIR", [] { return Released("swinir"); }},
    {"swinir-small", "SwinIR of 0.8 million parameters, the narrow decoder",
     [] { return Small("swinir-small", "hiif-fast"); }},
};

}  // namespace

std::vector<std::pair<std::string, std::string>> Presets() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const NamedPreset& preset : kPresets) out.emplace_back(preset.name, preset.help);
  return out;
}

absl::StatusOr<TrainOptions> Preset(const std::string& name) {
  for (const NamedPreset& preset : kPresets) {
    if (name == preset.name) return preset.make();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "no preset \"", name, "\"; there are ",
      absl::StrJoin(kPresets, ", ", [](std::string* out, const auto& p) { *out += p.name; })));
}

}  // namespace hiif::train
