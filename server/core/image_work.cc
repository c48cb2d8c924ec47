#include "server/core/image_work.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "server/core/caller_network.h"
#include "server/errors/errors.h"

namespace hiif::server {
namespace {

absl::Status Refusal(const scheduling::Admission& admission) {
  const auto reason = [&] {
    switch (admission.reason) {
      case scheduling::RejectReason::kMemory:
        return kReasonMemory;
      case scheduling::RejectReason::kTooLarge:
        return kReasonTooLarge;
      case scheduling::RejectReason::kDeadline:
        return kReasonDeadline;
      case scheduling::RejectReason::kDraining:
        return kReasonDraining;
      default:
        return kReasonQueueFull;
    }
  }();
  std::optional<absl::Duration> retry;
  if (admission.retry_after > absl::ZeroDuration() &&
      admission.retry_after < absl::InfiniteDuration())
    retry = admission.retry_after;
  return ErrorWithReason(admission.status.code(), reason, admission.status.message(), retry);
}

}  // namespace

ImageWork::ImageWork(const WorkEnvironment& environment, WorkInput input)
    : environment_(environment), input_(std::move(input)) {
  const FeatureCache::Key key = CacheKey();
  features_ = environment_.cache->FindFeatures(key);
  features_cached_ = features_ != nullptr;
  if (features_cached_) context_ = environment_.cache->FindContext(key, input_.grid);
  if (input_.image) stages_.push_back(Stage::kDecode);
  if (!features_cached_ && input_.image) stages_.push_back(Stage::kEncode);
  if (context_ == nullptr) stages_.push_back(Stage::kContext);
  stages_.push_back(Stage::kQuery);
}

ImageWork::~ImageWork() {
  if (admitted_bytes_ != 0) environment_.metrics->Workspace(input_.model->name(), -admitted_bytes_);
}

Grid ImageWork::InputSize() const {
  if (input_.image) return input_.image->facts().size;
  return {features_->height(), features_->width()};
}

FeatureCache::Key ImageWork::CacheKey() const {
  return {input_.model->name(), input_.model->serial(), input_.image_digest, input_.convert_to_srgb,
          input_.use};
}

ContextOptions ImageWork::Options() const {
  return {.samples = environment_.context_samples, .strength = input_.use.strength};
}

int64_t ImageWork::PreparationBytes() const {
  int64_t bytes = 0;
  if (input_.image) bytes += input_.image->source_bytes() + input_.image->decode_bytes();
  if (!input_.image && features_ == nullptr) return bytes;
  const MemoryFootprint footprint =
      upscaler().Footprint(InputSize(), input_.grid, input_.region, Options());
  // Buffers are of a worker; counted for each request they are on the safe side.
  return bytes + (features_cached_ ? footprint.RenderPeak(environment_.workers)
                                   : footprint.Peak(environment_.workers));
}

scheduling::JobSpec ImageWork::Spec(const Call& call, int priority, int64_t bytes) {
  scheduling::JobSpec spec;
  spec.caller = CallerNetwork(call.caller());
  spec.model = input_.model->name();
  spec.priority = priority;
  spec.deadline = call.deadline();
  spec.bytes = bytes;
  for (const Stage stage : stages_) spec.stages.push_back(Describe(stage));
  if (std::optional<scheduling::Stage> file = LastStage()) spec.stages.push_back(*std::move(file));
  return spec;
}

int64_t ImageWork::CostOf(double seconds) const {
  return 1 + std::llround(seconds * model().facts().pace.decoded_pixels);
}

scheduling::Stage ImageWork::Describe(Stage stage) {
  scheduling::Stage described;
  described.name = StageName(stage);
  switch (stage) {
    case Stage::kDecode:
      described.costs = {
          CostOf(static_cast<double>(input_.image->pixels()) / kPixelsReadPerSecond)};
      described.uncut = input_.image->slow_to_decode();
      return described;
    case Stage::kEncode: {
      const WorkCost cost = upscaler().Cost(InputSize(), input_.grid, input_.region, Options());
      std::vector<int64_t> blocks;
      for (const double work : cost.encode) blocks.push_back(model().EncodeCoordinates(work));
      const int64_t longest = *std::max_element(blocks.begin(), blocks.end());
      described.uncut = longest > kLongestFairPiece;
      described.costs = std::move(blocks);
      described.threads = static_cast<int>(
          upscaler().config().encoder->MostThreads(InputSize().height, InputSize().width));
      return described;
    }
    case Stage::kContext: {
      const int64_t all = input_.grid.height * input_.grid.width;
      const int64_t samples =
          environment_.context_samples <= 0 ? all : std::min(all, environment_.context_samples);
      described.costs = {samples * variants()};
      described.uncut = samples * variants() > kLongestFairPiece;
      return described;
    }
    default:
      return FinalStage();
  }
}

absl::StatusOr<scheduling::Admission> ImageWork::Estimate(const Call& call, int priority,
                                                          int64_t bytes) {
  scheduling::Admission admission = environment_.scheduler->Estimate(Spec(call, priority, bytes));
  if (!admission.status.ok()) return Refusal(admission);
  return admission;
}

absl::StatusOr<scheduling::Admission> ImageWork::Submit(const Call& call, int priority,
                                                        int64_t bytes) {
  scheduling::JobSpec spec = Spec(call, priority, bytes);
  spec.job = shared_from_this();
  submitted_ = SteadyNow();
  scheduling::Admission admission = environment_.scheduler->Submit(std::move(spec));
  if (!admission.status.ok()) {
    const absl::Status refusal = Refusal(admission);
    environment_.metrics->Rejected(ReasonOf(refusal));
    return refusal;
  }
  id_ = admission.id;
  admitted_bytes_ = bytes;
  environment_.metrics->FeatureCache(features_cached_);
  environment_.metrics->Workspace(input_.model->name(), bytes);
  return admission;
}

void ImageWork::Cancel(const absl::Status& why) {
  if (id_ == 0) return;
  environment_.scheduler->Cancel(id_, why);
  // Cancel ignores a job that is just ending, but its OnDone may still be to come.
  absl::MutexLock lock(&mutex_);
  while (!done_) changed_.Wait(&mutex_);
}

void ImageWork::OnDone(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  done_ = true;
  status_ = status;
  changed_.SignalAll();
}

void ImageWork::Wake() {
  absl::MutexLock lock(&mutex_);
  changed_.SignalAll();
}

absl::Status ImageWork::WaitUntil(const Call& call, const std::function<bool()>& ready) {
  absl::MutexLock lock(&mutex_);
  while (true) {
    if (ready()) return absl::OkStatus();
    HIIF_RETURN_IF_ERROR(call.Alive());
    if (done_)
      return status_.ok() ? absl::InternalError("the work ended without a result") : status_;
    changed_.Wait(&mutex_);
  }
}

absl::StatusOr<std::shared_ptr<const Picture>> ImageWork::WaitForPicture(const Call& call) {
  if (!input_.image) return std::shared_ptr<const Picture>();
  HIIF_RETURN_IF_ERROR(
      WaitUntil(call, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return picture_ != nullptr; }));
  absl::MutexLock lock(&mutex_);
  return picture_;
}

absl::Status ImageWork::Run(int stage, int64_t piece, int threads) {
  const absl::Time start = SteadyNow();
  int64_t unset = -1;
  queue_ns_.compare_exchange_strong(unset, absl::ToInt64Nanoseconds(start - submitted_));
  if (stage == static_cast<int>(stages_.size())) return RunLast(piece);
  const auto timed = [&](const absl::Status& status) {
    AddTime(stages_[stage], SteadyNow() - start);
    return status;
  };
  switch (stages_[stage]) {
    case Stage::kDecode:
      return timed(Decode());
    case Stage::kEncode:
      return timed(EncodeBlock(piece, threads));
    case Stage::kContext:
      return timed(MakeContext());
    default:
      return RunFinal(piece);
  }
}

std::optional<RenderTile> ImageWork::PrepareTile(int, int64_t) { return std::nullopt; }
absl::Status ImageWork::FinishTile(int, int64_t) { return absl::OkStatus(); }

bool ImageWork::StillWanted() const {
  environment_.scheduler->Beat();
  return !cancelled();
}

absl::Status ImageWork::Decode() {
  HIIF_ASSIGN_OR_RETURN(Picture decoded, input_.image->Decode(input_.convert_to_srgb,
                                                              [this] { return !StillWanted(); }));
  auto picture = std::make_shared<const Picture>(std::move(decoded));
  if (!features_cached_) {
    HIIF_RETURN_IF_ERROR(WithRoom([&]() -> absl::Status {
      HIIF_ASSIGN_OR_RETURN(encoding_, upscaler().StartEncoding(picture->colour));
      return absl::OkStatus();
    }));
  }
  absl::MutexLock lock(&mutex_);
  picture_ = std::move(picture);
  changed_.SignalAll();
  return absl::OkStatus();
}

absl::Status ImageWork::EncodeBlock(int64_t block, int threads) {
  return WithRoom([&] {
    return encoding_->EncodeBlock(static_cast<int>(block), threads,
                                  [this] { return StillWanted(); });
  });
}

absl::Status ImageWork::MakeContext() {
  if (features_ == nullptr) {
    HIIF_ASSIGN_OR_RETURN(features_, encoding_->Finish());
    encoding_.reset();
    environment_.cache->InsertFeatures(CacheKey(), features_);
  }
  ContextOptions options = Options();
  options.beat = [this] { return StillWanted(); };
  HIIF_RETURN_IF_ERROR(WithRoom([&]() -> absl::Status {
    HIIF_ASSIGN_OR_RETURN(context_, upscaler().MakeContext(*features_, input_.grid, options));
    return absl::OkStatus();
  }));
  environment_.cache->InsertContext(CacheKey(), context_);
  return absl::OkStatus();
}

void ImageWork::AddTime(Stage stage, absl::Duration time) {
  const int at = static_cast<int>(stage);
  const int64_t length = absl::ToInt64Nanoseconds(time);
  stage_ns_[at].fetch_add(length, std::memory_order_relaxed);
  const int64_t end = absl::ToUnixNanos(SteadyNow());
  int64_t known = stage_begin_[at].load(std::memory_order_relaxed);
  while ((known == 0 || known > end - length) &&
         !stage_begin_[at].compare_exchange_weak(known, end - length, std::memory_order_relaxed)) {
  }
  known = stage_end_[at].load(std::memory_order_relaxed);
  while (known < end &&
         !stage_end_[at].compare_exchange_weak(known, end, std::memory_order_relaxed)) {
  }
}

void ImageWork::ReportStages() {
  for (const Stage stage : kAllStages) {
    const int64_t time = stage_ns_[static_cast<int>(stage)].load();
    if (time > 0) environment_.metrics->StageTime(stage, absl::Nanoseconds(time));
  }
}

std::vector<StageSpan> ImageWork::Spans() const {
  std::vector<StageSpan> spans;
  if (id_ == 0) return spans;
  spans.push_back({"queue", submitted_, submitted_ + absl::Seconds(Times().queue()), 0});
  for (const Stage stage : kAllStages) {
    const int at = static_cast<int>(stage);
    const int64_t begin = stage_begin_[at].load();
    if (begin == 0) continue;
    spans.push_back({StageName(stage), absl::FromUnixNanos(begin),
                     absl::FromUnixNanos(stage_end_[at].load()),
                     static_cast<double>(stage_ns_[at].load()) * 1e-9});
  }
  return spans;
}

v1::StageTimes ImageWork::Times() const {
  const auto seconds = [this](Stage stage) {
    return static_cast<double>(stage_ns_[static_cast<int>(stage)].load()) * 1e-9;
  };
  v1::StageTimes times;
  // Never begun: it has waited until now.
  const int64_t begun = queue_ns_.load();
  const int64_t queued = begun >= 0 ? begun
                         : id_ == 0 ? 0
                                    : absl::ToInt64Nanoseconds(SteadyNow() - submitted_);
  times.set_queue(static_cast<double>(queued) * 1e-9);
  times.set_decode(seconds(Stage::kDecode));
  times.set_encode(seconds(Stage::kEncode));
  times.set_context(seconds(Stage::kContext));
  times.set_query(seconds(Stage::kQuery));
  times.set_file(seconds(Stage::kFile));
  times.set_send(seconds(Stage::kSend));
  return times;
}

}  // namespace hiif::server
