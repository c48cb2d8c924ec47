#include "model/upscaler/encoding.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "base/status_macros.h"
#include "model/upscaler/guarded_call.h"

namespace hiif {
namespace {

// How often a call that waits for others says that it is alive.
constexpr absl::Duration kBeat = absl::Milliseconds(200);

}  // namespace

BlockEncoding::BlockEncoding(const Engine& engine, std::shared_ptr<const RgbImage> image)
    : engine_(engine),
      plan_(engine.Plan({image->height, image->width})),
      encoded_(static_cast<int>(plan_.blocks.size())),
      parts_(engine.parts(plan_.size)),
      features_(std::make_shared<EngineFeatures>()),
      state_(encoded_ + parts_, State::kFree) {
  features_->latents = engine.NewLatents(plan_.size);
  features_->image = std::move(image);
}

absl::Status BlockEncoding::EncodeBlock(int block, int threads, const Heartbeat& beat) {
  if (block < 0 || block >= blocks()) return absl::InvalidArgumentError("no such block");
  if (block >= encoded_) HIIF_RETURN_IF_ERROR(EncodeAll(threads, beat));
  return Once(block, threads, beat);
}

absl::StatusOr<std::shared_ptr<const Features>> BlockEncoding::Finish() {
  {
    const absl::MutexLock lock(&mutex_);
    if (Have(State::kFree, blocks()) || Have(State::kTaken, blocks())) {
      return absl::FailedPreconditionError("not every block was encoded");
    }
  }
  return GuardedCall(engine_, [&]() -> absl::StatusOr<std::shared_ptr<const Features>> {
    engine_.Join(*features_->latents);
    return std::shared_ptr<const Features>(std::move(features_));
  });
}

absl::Status BlockEncoding::Once(int block, int threads, const Heartbeat& beat) {
  {
    const absl::MutexLock lock(&mutex_);
    if (state_[block] != State::kFree) return absl::OkStatus();
    state_[block] = State::kTaken;
  }
  const absl::Status status = GuardedCall(engine_, [&]() -> absl::Status {
    if (block < encoded_) {
      return engine_.Encode(*features_->image, plan_, block, threads, beat, *features_->latents);
    }
    engine_.MakePart(block - encoded_, beat, *features_->latents);
    return absl::OkStatus();
  });
  const absl::MutexLock lock(&mutex_);
  state_[block] = status.ok() ? State::kDone : State::kFree;
  changed_.SignalAll();
  return status;
}

absl::Status BlockEncoding::EncodeAll(int threads, const Heartbeat& beat) {
  while (true) {
    for (int block = 0; block < encoded_; ++block) {
      HIIF_RETURN_IF_ERROR(Once(block, threads, beat));
    }
    const absl::MutexLock lock(&mutex_);
    if (!Have(State::kTaken, encoded_) && !Have(State::kFree, encoded_)) return absl::OkStatus();
    if (Have(State::kTaken, encoded_)) changed_.WaitWithTimeout(&mutex_, kBeat);
    if (beat && !beat()) return absl::CancelledError("given up");
  }
}

bool BlockEncoding::Have(State state, int count) const {
  return std::find(state_.begin(), state_.begin() + count, state) != state_.begin() + count;
}

}  // namespace hiif
