#include "train/trainer.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/upscaler/guard.h"
#include "train/cached_sampler.h"
#include "train/gradient.h"
#include "train/initial_weights.h"
#include "train/latent_cache.h"
#include "train/loader.h"
#include "train/optimizer.h"
#include "train/packed_dataset.h"
#include "train/run_folder.h"
#include "train/sampler.h"
#include "train/validation.h"

namespace hiif::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kLogHeader[] =
    "step,seconds,loss,learning_rate,gradient_norm,samples_per_second,skipped";

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string Duration(double seconds) {
  const auto minutes = static_cast<int64_t>(std::lround(seconds / 60.0));
  if (minutes < 60) return absl::StrCat(minutes, " min");
  return absl::StrFormat("%d h %02d min", minutes / 60, minutes % 60);
}

class Run {
 public:
  Run(const TrainOptions& options, const TrainHooks& hooks, RunFolder folder)
      : options_(options), hooks_(hooks), folder_(std::move(folder)) {}

  absl::Status OpenData();
  // Reads the data, then the state, or makes the first weights.
  absl::Status Begin();
  absl::StatusOr<Outcome> Loop();

 private:
  absl::Status Resume();
  absl::Status FirstWeights();
  absl::Status LoadTeacher();
  // That it fits the network.
  absl::Status BeginTeacher();
  // What step `step` is computed from. Any thread.
  std::vector<Shard> MakeStep(int64_t step) const;
  absl::Status Step(const std::vector<Shard>& shards);
  absl::Status Log();
  bool Validates() const { return validation_ != nullptr && options_.validate_every > 0; }
  ValidationOptions ValidationSettings() const {
    return {options_.validation_scales, options_.validation_crop, options_.device};
  }
  // What the PSNR is of. Where it is something else than `before`, the best so far is no measure.
  absl::Status BeginValidation(const std::string& before);
  absl::Status ValidateNow();
  // The validation that a stop left undone, if there is one.
  absl::Status CatchUp();
  absl::Status Save();
  // The average as a native checkpoint.
  absl::Status WriteAverage(const std::string& path) const;
  RunState State() const;
  OptimizerOptions OptimizerSettings() const;
  void Say(const std::string& line) const {
    if (hooks_.say) hooks_.say(line);
  }

  const TrainOptions options_;
  const TrainHooks hooks_;
  const RunFolder folder_;
  std::string fingerprint_;  // of the data
  std::string data_notes_;   // what they are
  std::shared_ptr<const PackedDataset> validation_;
  std::unique_ptr<const SampleSource> sampler_;
  std::string cached_encoder_;  // whose latent codes the samples bring; empty: they bring none
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<Teacher> teacher_;
  std::string teacher_name_;
  std::string teacher_digest_;
  std::string validation_of_;  // RunState::validation
  GradientOptions gradient_options_;
  std::string origin_;
  std::map<std::string, std::string> kept_;  // InitialWeights::kept
  Progress progress_;
  // Since the last line of the log.
  double loss_sum_ = 0;
  int64_t losses_ = 0;
  double gradient_norm_ = 0;
  Clock::time_point logged_ = Clock::now();
  int64_t logged_step_ = 0;
};

OptimizerOptions Run::OptimizerSettings() const {
  return {.muon = options_.optimizer == "muon",
          .beta1 = options_.beta1,
          .beta2 = options_.beta2,
          .encoder_rate = options_.encoder_rate,
          .decoder_frozen = options_.teacher_target == "features",
          .clip = options_.clip,
          .average = options_.average};
}

absl::Status Run::OpenData() {
  const auto seed = static_cast<uint64_t>(options_.seed);
  if (LatentCache::IsCache(options_.data)) {
    HIIF_ASSIGN_OR_RETURN(const auto cache, LatentCache::Open(options_.data));
    HIIF_RETURN_IF_ERROR(cache->Verify());
    if (options_.patch != cache->settings().patch) {
      return absl::InvalidArgumentError(absl::StrCat(options_.data, " holds patches of ",
                                                     cache->settings().patch, ": give --patch ",
                                                     cache->settings().patch));
    }
    if (options_.degrade || options_.patterns > 0 || !options_.teacher.empty()) {
      return absl::InvalidArgumentError(
          "patches of a cache are as they are, with their teachers: leave --degrade, --patterns "
          "and --teacher away, or train on a packed data set");
    }
    HIIF_ASSIGN_OR_RETURN(
        CachedSampler sampler,
        CachedSampler::Create(
            cache, {seed, options_.batch, options_.queries, options_.min_scale, options_.max_scale,
                    options_.teacher_weight, options_.margin,
                    options_.augment && (options_.encoder_rate > 0 || options_.recolour > 0),
                    options_.whole_scales, options_.recolour}));
    sampler_ = std::make_unique<CachedSampler>(std::move(sampler));
    fingerprint_ = cache->fingerprint();
    cached_encoder_ = cache->settings().encoder;
    data_notes_ =
        absl::StrCat(cache->records(), " cached patches, ", fingerprint_, " (",
                     cache->settings().origin, "), teachers' part ", options_.teacher_weight);
    return absl::OkStatus();
  }
  if (options_.whole_scales != 0) {
    return absl::InvalidArgumentError(
        "--whole-scales is for a cache with teachers (hiif-data cache)");
  }
  HIIF_ASSIGN_OR_RETURN(const auto data, PackedDataset::Open(options_.data));
  HIIF_RETURN_IF_ERROR(data->Verify());
  HIIF_ASSIGN_OR_RETURN(
      Sampler sampler,
      Sampler::Create(data, {seed, options_.batch, options_.patch, options_.queries,
                             options_.min_scale, options_.max_scale, options_.augment,
                             options_.degrade, options_.patterns, options_.recolour}));
  sampler_ = std::make_unique<Sampler>(std::move(sampler));
  fingerprint_ = data->fingerprint();
  data_notes_ = absl::StrCat(data->images().size(), " images, packed as ", fingerprint_);
  if (options_.patterns > 0) {
    absl::StrAppend(&data_notes_, "; ", options_.patterns, " of the patches are drawn patterns");
  }
  return absl::OkStatus();
}

absl::Status Run::Begin() {
  HIIF_RETURN_IF_ERROR(OpenData());
  if (!options_.validation.empty()) {
    HIIF_ASSIGN_OR_RETURN(validation_, PackedDataset::Open(options_.validation));
    HIIF_RETURN_IF_ERROR(validation_->Verify());
  }
  gradient_options_.shards = options_.shards;
  gradient_options_.bfloat16 = options_.precision == "bfloat16";
  gradient_options_.device = at::Device(options_.device);
  gradient_options_.threads = static_cast<int>(
      options_.threads > 0 ? options_.threads : std::max(1u, std::thread::hardware_concurrency()));
  const bool on_cpu = gradient_options_.device.is_cpu();
  at::set_num_threads(options_.shards > 1 || !on_cpu ? 1 : gradient_options_.threads);
  // On a GPU the order of sums that many threads add to would cost several times the step.
  at::globalContext().setDeterministicAlgorithms(on_cpu, /*warn_only=*/true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);

  gradient_options_.squares = options_.loss == "mse";

  HIIF_RETURN_IF_ERROR(LoadTeacher());
  HIIF_RETURN_IF_ERROR(folder_.HasState() ? Resume() : FirstWeights());
  gradient_options_.latents_given = options_.encoder_rate == 0 && !cached_encoder_.empty() &&
                                    cached_encoder_ == EncoderDigest(optimizer_->network());
  if (options_.encoder_rate == 0 && !cached_encoder_.empty() && !gradient_options_.latents_given) {
    Say("the cache holds latent codes of another encoder: they are computed");
  }
  return BeginTeacher();
}

absl::Status Run::FirstWeights() {
  // A run that was killed before its first checkpoint leaves its log.
  HIIF_RETURN_IF_ERROR(folder_.TrimLog("log.csv", 0));
  HIIF_RETURN_IF_ERROR(folder_.TrimLog("validation.csv", 0));
  HIIF_ASSIGN_OR_RETURN(InitialWeights initial, MakeInitialWeights(options_));
  origin_ = initial.origin;
  kept_ = initial.kept;
  for (auto& [name, tensor] : initial.network.parameters) {
    tensor = tensor.to(gradient_options_.device);
  }
  optimizer_ = std::make_unique<Optimizer>(std::move(initial.network), OptimizerSettings());
  HIIF_RETURN_IF_ERROR(BeginValidation(""));
  return folder_.WriteOptions(OptionsJson(options_));
}

absl::Status Run::LoadTeacher() {
  if (options_.teacher.empty()) return absl::OkStatus();
  HIIF_ASSIGN_OR_RETURN(InitialWeights loaded, LoadAny(options_.teacher));
  teacher_name_ = loaded.origin;
  teacher_digest_ = loaded.digest;
  teacher_ = Teacher{.network = std::move(loaded.network),
                     .weight = options_.teacher_weight,
                     .of_features = options_.teacher_target == "features"};
  return absl::OkStatus();
}

absl::Status Run::BeginTeacher() {
  if (!teacher_.has_value()) return absl::OkStatus();
  const Network& learner = optimizer_->network();
  if (teacher_->of_features) {
    const int64_t own = EncoderFeatures(learner.config.encoder);
    const int64_t wanted = EncoderFeatures(teacher_->network.config.encoder);
    if (own != wanted) {
      return absl::InvalidArgumentError(absl::StrCat("the encoder gives ", own,
                                                     " channels, that of the teacher ", wanted,
                                                     "; choose an --encoder that gives as many"));
    }
  }
  teacher_->shares_encoder = options_.encoder_rate == 0;
  for (auto& [name, tensor] : teacher_->network.parameters) {
    tensor = tensor.to(gradient_options_.device);
    const auto own = learner.parameters.find(name);
    if (absl::StartsWith(name, "encoder.") &&
        (own == learner.parameters.end() || !at::equal(own->second, tensor))) {
      teacher_->shares_encoder = false;
    }
  }
  gradient_options_.teacher = &*teacher_;
  return absl::OkStatus();
}

absl::Status Run::Resume() {
  HIIF_ASSIGN_OR_RETURN(RunState state, folder_.LoadState());
  HIIF_ASSIGN_OR_RETURN(const TrainOptions before, ParseOptions(state.options));
  std::string differences = CourseDifferences(before, options_);
  if (before.teacher.empty() != options_.teacher.empty()) {
    absl::StrAppend(&differences, differences.empty() ? "" : ", ", "teacher");
  }
  if (!differences.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "this run was begun with other values of ", differences,
        "; leave them away to go on as it was, or begin a new run from its weights by --init"));
  }
  if (state.fingerprint != fingerprint_) {
    return absl::InvalidArgumentError(
        absl::StrCat(options_.data,
                     " holds other images than those this run was begun with; begin a new run "
                     "from its weights by --init"));
  }
  if (!state.teacher.empty() && state.teacher != teacher_digest_) {
    return absl::InvalidArgumentError(absl::StrCat(
        options_.teacher,
        " is another checkpoint than the teacher this run was begun with; name that by "
        "--teacher, or begin a new run from its weights by --init"));
  }
  if (before.init != options_.init || before.init_encoder != options_.init_encoder ||
      before.init_decoder != options_.init_decoder) {
    Say("this run has its weights: --init, --init-encoder and --init-decoder are not read");
  }
  Network network{state.config, {}};
  for (const auto& [name, shape] : ParameterShapes(state.config)) {
    network.parameters[name] = at::zeros(shape, gradient_options_.device);
  }
  optimizer_ = std::make_unique<Optimizer>(std::move(network), OptimizerSettings());
  if (!optimizer_->SetState(state.tensors, state.progress.updates)) {
    return absl::DataLossError("the state of the run does not fit its own network");
  }
  progress_ = state.progress;
  origin_ = state.origin;
  kept_ = state.kept;
  HIIF_RETURN_IF_ERROR(folder_.TrimLog("log.csv", progress_.step));
  progress_.validation_due = progress_.validation_due && Validates();
  HIIF_RETURN_IF_ERROR(
      folder_.TrimLog("validation.csv", progress_.step - (progress_.validation_due ? 1 : 0)));
  HIIF_RETURN_IF_ERROR(BeginValidation(state.validation));
  Say(absl::StrCat("going on at step ", progress_.step));
  return folder_.WriteOptions(OptionsJson(options_));
}

absl::Status Run::BeginValidation(const std::string& before) {
  validation_of_ = before;
  if (!Validates()) return absl::OkStatus();
  HIIF_RETURN_IF_ERROR(
      CheckValidation(optimizer_->network().config, *validation_, ValidationSettings()));
  validation_of_ = absl::StrCat(validation_->fingerprint(), ", scales ",
                                absl::StrJoin(options_.validation_scales, " "), ", crop ",
                                options_.validation_crop);
  if (before.empty() || before == validation_of_) return absl::OkStatus();
  Say("other images, scales or crop to validate on: the best is looked for anew");
  progress_.best_step = -1;
  progress_.best_psnr = 0;
  if (progress_.step == options_.steps) progress_.validation_due = true;  // no step is left to ask
  HIIF_RETURN_IF_ERROR(folder_.SetLogAside("validation.csv", progress_.step));
  return folder_.SaveState(State());
}

absl::Status Run::CatchUp() {
  if (!progress_.validation_due) return absl::OkStatus();
  HIIF_RETURN_IF_ERROR(ValidateNow());
  return Save();
}

absl::StatusOr<Outcome> Run::Loop() {
  const double before = progress_.seconds;
  const Clock::time_point begun = Clock::now();
  HIIF_RETURN_IF_ERROR(CatchUp());
  // The process before may have been killed between the last state and the weights of it.
  if (progress_.step == options_.steps) {
    HIIF_RETURN_IF_ERROR(WriteAverage(folder_.weights_path()));
  }
  const auto threads = static_cast<int>(options_.loader_threads);
  Loader<std::vector<Shard>> loader([this](int64_t step) { return MakeStep(step); }, progress_.step,
                                    {.threads = threads, .ahead = threads + 3});
  Clock::time_point saved = Clock::now();
  logged_ = saved;
  logged_step_ = progress_.step;
  bool stop = false;
  while (progress_.step < options_.steps && !stop) {
    HIIF_RETURN_IF_ERROR(Step(loader.Next()));
    progress_.seconds = before + SecondsSince(begun);
    stop = (hooks_.stop != nullptr && hooks_.stop->load()) ||
           (options_.minutes > 0 && SecondsSince(begun) >= options_.minutes * 60.0);
    const bool last = progress_.step == options_.steps;
    if (progress_.step % options_.log_every == 0 || last) HIIF_RETURN_IF_ERROR(Log());
    progress_.validation_due =
        Validates() && (progress_.step % options_.validate_every == 0 || last);
    // A stop does not wait for a validation; the run that goes on begins with it.
    if (progress_.validation_due && !stop) HIIF_RETURN_IF_ERROR(ValidateNow());
    if (stop || last || SecondsSince(saved) >= options_.checkpoint_minutes * 60.0) {
      HIIF_RETURN_IF_ERROR(Save());
      saved = Clock::now();
    }
  }
  if (progress_.step < options_.steps) return Outcome::kStopped;
  HIIF_RETURN_IF_ERROR(CatchUp());  // nobody goes on with a run that is at its end
  return Outcome::kFinished;
}

std::vector<Shard> Run::MakeStep(int64_t step) const {
  std::vector<Sample> samples;
  for (int64_t item = 0; item < sampler_->batch(); ++item) {
    samples.push_back(sampler_->Draw(step, item));
  }
  return MakeShards(samples, options_.patch, optimizer_->network().config, gradient_options_);
}

absl::Status Run::Step(const std::vector<Shard>& shards) {
  const double rate = LearningRate(options_, progress_.step);
  Gradient gradient =
      ComputeGradient(optimizer_->network(), optimizer_->names(), shards, gradient_options_);
  bool finite = std::isfinite(gradient.loss);
  if (finite) {
    gradient_norm_ = optimizer_->Step(std::move(gradient.gradient), rate);
    finite = std::isfinite(gradient_norm_);
  }
  ++progress_.step;
  if (finite) {
    progress_.bad_in_row = 0;
    loss_sum_ += gradient.loss;
    ++losses_;
    return absl::OkStatus();
  }
  ++progress_.skipped;
  Say(absl::StrCat("step ", progress_.step, " skipped: its loss or gradient is not finite"));
  if (++progress_.bad_in_row > options_.max_bad_steps) {
    return absl::AbortedError(
        absl::StrCat(progress_.bad_in_row,
                     " steps in a row had no finite gradient, the last is step ", progress_.step,
                     "; the last checkpoint is kept. Begin again with a lower --learning-rate "
                     "or with --clip 1"));
  }
  return absl::OkStatus();
}

absl::Status Run::Log() {
  const double seconds = SecondsSince(logged_);
  const double per_second =
      static_cast<double>((progress_.step - logged_step_) * options_.batch) / seconds;
  const double loss = losses_ > 0 ? loss_sum_ / static_cast<double>(losses_)
                                  : std::numeric_limits<double>::quiet_NaN();
  const double rate = LearningRate(options_, progress_.step - 1);
  const double left = static_cast<double>((options_.steps - progress_.step) * options_.batch);
  Say(absl::StrFormat("step %d of %d  loss %.5f  rate %.2e  %.2f samples/s  %s left",
                      progress_.step, options_.steps, loss, rate, per_second,
                      Duration(left / per_second)));
  logged_ = Clock::now();
  logged_step_ = progress_.step;
  loss_sum_ = 0;
  losses_ = 0;
  return folder_.AppendLine(
      "log.csv", kLogHeader,
      absl::StrFormat("%d,%.1f,%.6f,%.4e,%.5f,%.3f,%d", progress_.step, progress_.seconds, loss,
                      rate, gradient_norm_, per_second, progress_.skipped));
}

absl::Status Run::ValidateNow() {
  HIIF_RETURN_IF_ERROR(WriteAverage(folder_.weights_path()));
  const int threads = at::get_num_threads();
  at::set_num_threads(gradient_options_.threads);  // there are no shards here
  const absl::StatusOr<std::vector<double>> measured =
      ValidationPsnr(folder_.weights_path(), *validation_, ValidationSettings());
  at::set_num_threads(threads);
  HIIF_ASSIGN_OR_RETURN(const std::vector<double> psnr, measured);
  const double mean =
      std::accumulate(psnr.begin(), psnr.end(), 0.0) / static_cast<double>(psnr.size());
  const bool best = std::isfinite(mean) && (progress_.best_step < 0 || mean > progress_.best_psnr);
  if (best) {
    progress_.best_psnr = mean;
    progress_.best_step = progress_.step;
    HIIF_RETURN_IF_ERROR(WriteAverage(folder_.best_path()));
  }
  const auto formatted = [](std::string* out, double value) {
    absl::StrAppendFormat(out, "%.4f", value);
  };
  progress_.validation_due = false;
  Say(absl::StrFormat("step %d  validation %s dB at scales %s%s", progress_.step,
                      absl::StrJoin(psnr, " / ", formatted),
                      absl::StrJoin(options_.validation_scales, " / "), best ? ", the best" : ""));
  return folder_.AppendLine(
      "validation.csv",
      absl::StrCat("step,seconds,mean,x", absl::StrJoin(options_.validation_scales, ",x")),
      absl::StrFormat("%d,%.1f,%.4f,%s", progress_.step, progress_.seconds, mean,
                      absl::StrJoin(psnr, ",", formatted)));
}

absl::Status Run::WriteAverage(const std::string& path) const {
  std::map<std::string, std::string> notes = {
      {"initialisation", origin_},
      {"data", data_notes_},
      {"training",
       absl::StrFormat(
           "%d steps of %d patches of %dx%d with %d queries, scales %g to %g, %s, %s "
           "%g (encoder x%g, %s), average %g, %s%s, %s",
           progress_.step, options_.batch, options_.patch, options_.patch, options_.queries,
           options_.min_scale, options_.max_scale, options_.loss == "mse" ? "MSE" : "L1",
           options_.optimizer == "muon" ? "Muon" : "Adam", options_.learning_rate,
           options_.encoder_rate, options_.schedule, options_.average, options_.precision,
           options_.degrade ? ", patches blurred, noisy and through JPEG" : "",
           Duration(progress_.seconds))},
      {"steps", absl::StrCat(progress_.step)}};
  if (teacher_.has_value()) {
    notes["teacher"] = teacher_->of_features
                           ? absl::StrCat(teacher_name_, ", its latent codes")
                           : absl::StrCat(teacher_name_, ", weight ", options_.teacher_weight);
  }
  notes.insert(kept_.begin(), kept_.end());
  return WriteWeights(path, optimizer_->network().config, optimizer_->average(), notes);
}

RunState Run::State() const {
  RunState state;
  state.progress = progress_;
  state.progress.updates = optimizer_->updates();
  state.options = OptionsJson(options_);
  state.fingerprint = fingerprint_;
  state.origin = origin_;
  state.kept = kept_;
  state.teacher = teacher_digest_;
  state.validation = validation_of_;
  state.config = optimizer_->network().config;
  state.tensors = optimizer_->State();
  return state;
}

absl::Status Run::Save() {
  HIIF_RETURN_IF_ERROR(folder_.SaveState(State()));
  return WriteAverage(folder_.weights_path());
}

}  // namespace

absl::StatusOr<Outcome> Train(const TrainOptions& options, const std::string& run,
                              const TrainHooks& hooks) {
  HIIF_RETURN_IF_ERROR(Validate(options));
  HIIF_ASSIGN_OR_RETURN(RunFolder folder, RunFolder::Open(run));
  const auto train = [&]() -> absl::StatusOr<Outcome> {
    Run training(options, hooks, std::move(folder));
    HIIF_RETURN_IF_ERROR(training.Begin());
    return training.Loop();
  };
  absl::StatusOr<Outcome> outcome;
  const absl::Status thrown = Guard([&] {
    outcome = train();
    return absl::OkStatus();
  });
  if (absl::IsResourceExhausted(thrown)) {
    return absl::ResourceExhaustedError(
        "not enough memory for a step: choose a smaller --batch, or more --shards");
  }
  if (!thrown.ok()) return thrown;
  return outcome;
}

}  // namespace hiif::train
