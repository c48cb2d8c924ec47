// A request as the scheduler's job: what every request about an image begins with.
//
//   decode (1 piece) -> encode (blocks) -> context (1 piece) -> whatever the request is about ->
//   file (where it is about one)
//
// Stages whose result the feature cache has are left out. The pieces run on the scheduler's
// workers; the thread that handles the call waits for results. Lives in a shared_ptr, which the
// scheduler shares.
#ifndef SERVER_CORE_IMAGE_WORK_H_
#define SERVER_CORE_IMAGE_WORK_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "hiif/v1/super_resolution.pb.h"
#include "imaging/picture.h"
#include "model/upscaler/upscaler.h"
#include "scheduling/scheduler.h"
#include "server/core/call.h"
#include "server/core/feature_cache.h"
#include "server/core/image_input.h"
#include "server/metrics/metrics.h"
#include "server/models/loaded_model.h"

namespace hiif::server {

// Costs are in output pixels decoded, which a worker has ModelFacts::pace of in a second.
// What of a file a core decodes in a second, about.
inline constexpr double kPixelsReadPerSecond = 30e6;

// In output pixels decoded: about ten seconds of a core. Encoders that take an image whole have
// longer pieces, beside which others get a worker.
inline constexpr int64_t kLongestFairPiece = 300'000;

// What a request needs from the server. Everything outlives every request.
struct WorkEnvironment {
  scheduling::Scheduler* scheduler = nullptr;
  FeatureCache* cache = nullptr;
  Metrics* metrics = nullptr;
  PictureOpener* opener = nullptr;
  int64_t context_samples = kDefaultContextSamples;
  std::string device = "cpu";  // that the models are on
  int workers = 1;             // of the scheduler
};

// The picture and the model of a request. image borrows the request; absent: features must be in
// the cache.
struct WorkInput {
  std::shared_ptr<const LoadedModel> model;
  std::optional<ImageInput> image;
  std::string image_digest;
  bool convert_to_srgb = false;
  ModelUse use;
  Grid grid;                  // of the context
  Region region{0, 0, 1, 1};  // of the grid, that is asked for
};

class ImageWork : public scheduling::Job, public std::enable_shared_from_this<ImageWork> {
 public:
  ImageWork(const WorkEnvironment& environment, WorkInput input);
  ~ImageWork() override;

  // For the device.
  // Runs a piece alone, timed. `threads`: cores it may use, itself included.
  absl::Status Run(int stage, int64_t piece, int threads);
  // A piece that may share a device call: what to render, or nullopt. FinishTile() takes what came
  // of it.
  virtual std::optional<RenderTile> PrepareTile(int stage, int64_t piece);
  virtual absl::Status FinishTile(int stage, int64_t piece);
  void OnEnding() final { cancelled_ = true; }
  void OnDone(const absl::Status& status) final;
  const LoadedModel& model() const { return *input_.model; }
  const Upscaler& upscaler() const { return model().upscaler(input_.use); }
  int64_t variants() const { return input_.use.variants(); }
  // Time of a piece that ran in a shared call.
  void AddTime(Stage stage, absl::Duration time);

  // For the handler.
  // Hands the work to the scheduler. On refusal: the error, with reason and retry delay.
  absl::StatusOr<scheduling::Admission> Submit(const Call& call, int priority, int64_t bytes);
  // What Submit() would say, without submitting.
  absl::StatusOr<scheduling::Admission> Estimate(const Call& call, int priority, int64_t bytes);
  // Ends the work and waits until no piece runs. Does nothing before Submit() and after the end.
  void Cancel(const absl::Status& why);
  // Waits until the picture is decoded; the picture is nullptr where there was nothing to decode.
  absl::StatusOr<std::shared_ptr<const Picture>> WaitForPicture(const Call& call);
  // Wakes a waiting handler, which then looks at its call again. Any thread.
  void Wake();
  v1::StageTimes Times() const;
  // The wait in the queue and the stages that ran.
  std::vector<StageSpan> Spans() const;
  // Times() into the histograms; at the end, once. Stages that did not run are left out.
  void ReportStages();
  bool features_cached() const { return features_cached_; }
  // Bytes of features and buffers of the first stages, for admission.
  int64_t PreparationBytes() const;
  // Where the models' device has no memory: drops cached features that nobody holds. False: there
  // were none.
  bool MakeRoom() const { return environment_.cache->DropUnheld() > 0; }

 protected:
  // The stage behind those of the picture.
  virtual scheduling::Stage FinalStage() = 0;
  virtual absl::Status RunFinal(int64_t piece) = 0;
  // What follows it, if anything.
  virtual std::optional<scheduling::Stage> LastStage() { return std::nullopt; }
  virtual absl::Status RunLast(int64_t /*piece*/) { return absl::OkStatus(); }

  // Waits until `ready` (looked at under the lock), the end of the work, or of the call. OK: it is
  // ready.
  absl::Status WaitUntil(const Call& call, const std::function<bool()>& ready)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What takes a core so long, as a cost.
  int64_t CostOf(double seconds) const;
  // Its number in the scheduler; that of the file is the next.
  int final_stage() const { return static_cast<int>(stages_.size()) - 1; }
  // f(), which returns a Status; where it finds no memory, again after MakeRoom().
  template <class F>
  absl::Status WithRoom(const F& f) const {
    absl::Status status = f();
    if (absl::IsResourceExhausted(status) && MakeRoom()) status = f();
    return status;
  }
  // For what takes long: says that it gets on, and whether to go on.
  bool StillWanted() const;
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  const WorkEnvironment environment_;
  const WorkInput input_;
  scheduling::JobId id_ = 0;
  absl::Mutex mutex_;
  absl::CondVar changed_;  // what a handler may wait for
  // Written by one stage, read by later ones.
  std::shared_ptr<const Picture> picture_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Features> features_;
  std::shared_ptr<const Context> context_;

 private:
  scheduling::Stage Describe(Stage stage);
  scheduling::JobSpec Spec(const Call& call, int priority, int64_t bytes);
  FeatureCache::Key CacheKey() const;
  ContextOptions Options() const;
  Grid InputSize() const;
  absl::Status Decode();
  absl::Status EncodeBlock(int64_t block, int threads);
  absl::Status MakeContext();

  std::vector<Stage> stages_;  // of the job
  bool features_cached_ = false;
  std::unique_ptr<Encoding> encoding_;
  absl::Time submitted_;
  int64_t admitted_bytes_ = 0;
  std::atomic<bool> cancelled_ = false;
  std::atomic<int64_t> queue_ns_ = -1;
  std::array<std::atomic<int64_t>, kStages> stage_ns_{};  // by Stage
  // Nanoseconds of the Unix epoch at which a stage first began and last ended; 0: it did not run.
  std::array<std::atomic<int64_t>, kStages> stage_begin_{};
  std::array<std::atomic<int64_t>, kStages> stage_end_{};
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif::server

#endif  // SERVER_CORE_IMAGE_WORK_H_
