#include "model/upscaler/tensor_encoding.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status_macros.h"
#include "model/upscaler/tensors.h"

namespace hiif {

TensorEncoding::TensorEncoding(const ModelConfig& config, const LatentEncoder& encoder,
                               const TensorDecoder& decoder, std::shared_ptr<const RgbImage> image)
    : config_(config),
      encoder_(encoder),
      decoder_(decoder),
      image_(std::move(image)),
      plan_(PlanEncoding(config.encoder, image_->height, image_->width)),
      encoded_(static_cast<int>(plan_.blocks.size())),
      parts_(decoder.parts(image_->height, image_->width)),
      latents_(at::empty({1, image_->height, image_->width, encoder.channels()}, at::kFloat)),
      state_(encoded_, State::kFree) {}

int64_t TensorEncoding::BlockPixels(int block) const {
  if (block < encoded_) return plan_.BlockPixels(block, image_->height, image_->width);
  const double work = decoder_.PartWork(block - encoded_, image_->height, image_->width);
  const auto work_of_a_pixel = static_cast<double>(encoder_.weights_bytes()) / 4;
  return std::max<int64_t>(1, std::llround(work / std::max(1.0, work_of_a_pixel)));
}

absl::Status TensorEncoding::EncodeBlock(int block, int threads) {
  if (block < encoded_) return EncodeOnce(block, threads);
  for (int i = 0; i < encoded_; ++i) HIIF_RETURN_IF_ERROR(EncodeOnce(i, threads));
  HIIF_RETURN_IF_ERROR(AwaitLatents());
  return CatchTorch([&]() -> absl::Status {
    const ScopedEncoderThreads scope(config_.encoder, threads);
    const c10::InferenceMode inference;
    parts_[block - encoded_] = decoder_.Part(block - encoded_, Latents());
    return absl::OkStatus();
  });
}

absl::StatusOr<std::shared_ptr<const Features>> TensorEncoding::Finish() {
  {
    const absl::MutexLock lock(&mutex_);
    const bool missing = std::any_of(parts_.begin(), parts_.end(),
                                     [](const at::Tensor& part) { return !part.defined(); });
    if (!AllDone() || missing) return absl::FailedPreconditionError("not every block was encoded");
  }
  return CatchTorch([&]() -> absl::StatusOr<std::shared_ptr<const Features>> {
    const c10::InferenceMode inference;
    auto features = std::make_shared<TensorFeatures>();
    features->image =
        NormalisedImage(*image_, {0, 0, image_->width, image_->height}, config_.normalisation)
            .contiguous();
    features->pixels = decoder_.Prepare(Latents(), parts_);
    return features;
  });
}

absl::Status TensorEncoding::EncodeOnce(int block, int threads) {
  {
    const absl::MutexLock lock(&mutex_);
    if (state_[block] != State::kFree) return absl::OkStatus();
    state_[block] = State::kTaken;
  }
  const absl::Status status = encoder_.Encode(*image_, plan_.blocks[block], plan_.halo, threads,
                                              latents_.data_ptr<float>());
  const absl::MutexLock lock(&mutex_);
  state_[block] = status.ok() ? State::kDone : State::kFailed;
  return status;
}

bool TensorEncoding::AllDone() const {
  return std::all_of(state_.begin(), state_.end(), [](State s) { return s == State::kDone; });
}

bool TensorEncoding::NoneTaken() const {
  return std::none_of(state_.begin(), state_.end(), [](State s) { return s == State::kTaken; });
}

absl::Status TensorEncoding::AwaitLatents() {
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &TensorEncoding::NoneTaken));
  return AllDone() ? absl::OkStatus() : absl::AbortedError("another block failed");
}

}  // namespace hiif
