// Everything that can be chosen about a training run, and the presets.
#ifndef TRAIN_OPTIONS_H_
#define TRAIN_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config.h"

namespace hiif::train {

// Paths are empty where unset. What changes the course of a run cannot be changed when it resumes;
// VisitOptions() says which those are. Files may be moved: data and teacher are known by what they
// hold, and the first weights are in the state.
struct TrainOptions {
  // Data.
  std::string data;        // packed data set, or cache of latent codes
  std::string validation;  // packed data set; empty: no validation
  int64_t seed = 1;
  int64_t batch = 16;
  int64_t patch = 48;
  int64_t queries = 2304;
  double min_scale = 1.0;
  double max_scale = 4.0;
  bool augment = true;
  bool degrade = false;
  double patterns = 0.0;      // part of the patches that are drawn (train/patterns.h)
  int64_t margin = 4;         // pixels at the edge of a cached patch that are not asked for
  double whole_scales = 0.0;  // part of the cached patches at a scale that a teacher has itself
  double recolour = 0.0;      // part of the patches that get other colours (train/recolour.h)
  // Network: a name, or a name and a JSON object with every member, "rdn {...}". Empty: that of
  // `init`, without it edsr-baseline and hiif.
  std::string encoder;
  std::string decoder;
  std::string coordinates = "exact";
  // Where the first weights come from. Empty: random.
  std::string init;          // native checkpoint of the same network
  std::string init_encoder;  // any checkpoint with the same encoder
  std::string init_decoder;  // any checkpoint with the same decoder
  // Distillation (Hinton et al., 2015): the target of a pixel is its colour, moved by this part of
  // the way to what another network says. Empty: the colour itself.
  std::string teacher;  // any checkpoint
  double teacher_weight = 0.85;
  // "output" as above, or "features": the encoder alone learns to give the teacher's latent codes
  // (any backbone, as many channels), without a query; the decoder stays as it is.
  std::string teacher_target = "output";
  // Optimisation.
  int64_t steps = 1'000'000;
  double learning_rate = 1e-4;
  double encoder_rate = 1.0;        // times learning_rate; 0: frozen
  std::string schedule = "steps";   // constant, cosine or steps
  int64_t warmup = 0;               // steps in which the rate rises linearly
  std::vector<int64_t> milestones;  // of the schedule "steps": where the rate is halved
  double final_rate = 0.0;          // of the schedule "cosine": times learning_rate, at the end
  std::string loss = "l1";          // or mse
  std::string optimizer = "adam";   // or muon
  double beta1 = 0.9;
  double beta2 = 0.999;
  double clip = 0.0;       // largest norm of the gradient; 0: not clipped
  double average = 0.999;  // decay of the moving average of the weights, which is what is shipped
  std::string precision = "float32";  // or bfloat16 (autocast)
  int64_t max_bad_steps = 20;         // in a row with a loss or gradient that is not finite
  // The batch is cut into `shards` equal parts whose gradients are added in order; as many threads
  // work on them. The result depends on the number of shards, not on that of threads.
  int64_t shards = 2;
  // How it runs.
  std::string device = "cpu";
  int64_t threads = 0;  // workers on the shards; 0: one a core
  int64_t loader_threads = 1;
  double checkpoint_minutes = 5.0;
  int64_t validate_every = 1000;  // steps; 0: never
  std::vector<double> validation_scales = {2, 3, 4};
  int64_t validation_crop = 160;  // central square of each image, pixels
  int64_t log_every = 20;         // steps
  double minutes = 0.0;           // stop after so many, resumable; 0: run to the end
};

// Calls visit(name, member, help, changes_course) for every option. Options is TrainOptions or
// const TrainOptions. Names are those of the command line and of options.json.
template <class Options, class Visit>
void VisitOptions(Options& o, Visit visit) {
  visit("data", o.data, "what to train on: a packed data set, or a cache (hiif-data pack, cache)",
        false);
  visit("validation", o.validation, "packed data set to validate on", false);
  visit("seed", o.seed, "of samples and of random first weights", true);
  visit("batch", o.batch, "patches a step", true);
  visit("patch", o.patch, "side of the low-resolution patch, pixels", true);
  visit("queries", o.queries, "high-resolution pixels of each patch", true);
  visit("min-scale", o.min_scale, "smallest scale", true);
  visit("max-scale", o.max_scale, "largest scale", true);
  visit("augment", o.augment, "random flips and transposition", true);
  visit("degrade", o.degrade, "blur, noise and JPEG on the low-resolution patch, for photographs",
        true);
  visit("patterns", o.patterns, "part of the patches that are drawn: dither, screentone, text",
        true);
  visit("margin", o.margin, "low-resolution pixels at the edge of a cached patch left out", true);
  visit("whole-scales", o.whole_scales,
        "part of the cached patches at a scale that a teacher has itself: no output is resized",
        true);
  visit("recolour", o.recolour,
        "part of the patches whose channels are put in another order, half of these negative too",
        true);
  visit("encoder", o.encoder,
        "edsr-baseline, dat-light, rdn, rdn-small, swinir, swinir-small, or NAME {JSON}", true);
  visit("decoder", o.decoder,
        "hiif, hiif-fast, hiif-v1-H, hiif-v2-MS, hiif-v3-MH, liif, metasr, lte, clit, clit-1, "
        "ciaosr, srno, or NAME {JSON}",
        true);
  visit("coordinates", o.coordinates, "exact or reference", true);
  visit("init", o.init, "checkpoint with the first weights of encoder and decoder", false);
  visit("init-encoder", o.init_encoder, "checkpoint with the first weights of the encoder", false);
  visit("init-decoder", o.init_decoder, "checkpoint with the first weights of the decoder", false);
  visit("teacher", o.teacher, "checkpoint whose output is mixed into the target", false);
  visit("teacher-weight", o.teacher_weight, "part of the teacher in the target", true);
  visit("teacher-target", o.teacher_target,
        "output, or features: the encoder alone learns the teacher's latent codes", true);
  visit("steps", o.steps, "length of the run", true);
  visit("loss", o.loss, "l1, or mse: mean of the squares", true);
  visit("optimizer", o.optimizer,
        "adam, or muon: orthogonalised momentum for the matrices, Adam for the rest", true);
  visit("learning-rate", o.learning_rate, "size of a step", true);
  visit("encoder-rate", o.encoder_rate, "rate of the encoder, times learning-rate; 0: frozen",
        true);
  visit("schedule", o.schedule, "constant, cosine or steps", true);
  visit("warmup", o.warmup, "steps in which the rate rises from 0", true);
  visit("milestones", o.milestones, "steps at which the schedule `steps` halves the rate", true);
  visit("final-rate", o.final_rate, "rate at the end of `cosine`, times learning-rate", true);
  visit("beta1", o.beta1, "of Adam, and the momentum of Muon", true);
  visit("beta2", o.beta2, "of Adam", true);
  visit("clip", o.clip, "largest norm of the gradient; 0: not clipped", true);
  visit("average", o.average, "decay of the moving average of the weights", true);
  visit("precision", o.precision, "float32 or bfloat16 (autocast)", true);
  visit("max-bad-steps", o.max_bad_steps,
        "steps in a row without a finite gradient before giving up", false);
  visit("shards", o.shards, "parts of the batch whose gradients are added", true);
  visit("device", o.device, "cpu, cuda or cuda:N", false);
  visit("threads", o.threads, "threads that work on the shards; 0: one a core", false);
  visit("loader-threads", o.loader_threads, "threads that make samples", false);
  visit("checkpoint-minutes", o.checkpoint_minutes, "time between checkpoints", false);
  visit("validate-every", o.validate_every, "steps between validations; 0: never", false);
  visit("validation-scales", o.validation_scales, "scales of the validation", false);
  visit("validation-crop", o.validation_crop, "side of the central square validated on, pixels",
        false);
  visit("log-every", o.log_every, "steps between lines of the log", false);
  visit("minutes", o.minutes, "stop after so many minutes, to be resumed; 0: run to the end",
        false);
}

// Names and one line of help each.
std::vector<std::pair<std::string, std::string>> Presets();
// InvalidArgument: no such preset.
absl::StatusOr<TrainOptions> Preset(const std::string& name);

// Values in range and not contradicting each other; files are not looked at.
absl::Status Validate(const TrainOptions& options);

// One JSON object with every option; ParseOptions refuses a member that is unknown or of a wrong
// kind, and leaves at its default what is absent.
std::string OptionsJson(const TrainOptions& options);
absl::StatusOr<TrainOptions> ParseOptions(const std::string& json);

// The names of the options that change the course of a run and differ, separated by commas.
std::string CourseDifferences(const TrainOptions& a, const TrainOptions& b);

// What `encoder`, `decoder` and `coordinates` ask for; an empty one keeps what `base` says.
absl::StatusOr<ModelConfig> NetworkOf(const TrainOptions& options, const ModelConfig& base);

// Learning rate of step `step` >= 0, before encoder_rate.
double LearningRate(const TrainOptions& options, int64_t step);

}  // namespace hiif::train

#endif  // TRAIN_OPTIONS_H_
