// Internal to model/engine: an encoder on a device of LibTorch. On a GPU small images would wait
// for the host, which asks for kernel after kernel: the work of a size that comes again is
// recorded.
#ifndef MODEL_ENGINE_DEVICE_ENCODER_H_
#define MODEL_ENGINE_DEVICE_ENCODER_H_

#include <ATen/ATen.h>
#include <c10/core/Stream.h>

#include <list>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "model/engine/recorded_call.h"
#include "model/engine/tensors.h"

namespace hiif {

class DeviceEncoder {
 public:
  // Larger ones keep a GPU busy, and their activations would stay.
  static constexpr int64_t kMostPixels = 256 * 256;
  static constexpr size_t kMostSizes = 8;

  // `network`: with the encoder's parameters, as `type` on `device`. `recorder` may be null.
  DeviceEncoder(const Network& network, at::Device device, at::ScalarType type, Recorder recorder);

  // A block of the plan into `codes`, (height,width,C_e) of the image; waits for it. In the current
  // stream, or where it is recorded in one of its own, one call after the other.
  void Encode(const RgbImage& image, const EncodingPlan& plan, int block, int threads,
              const Heartbeat& beat, const at::Tensor& codes) const;

 private:
  // The encoder for images of one size.
  struct Recorded {
    int64_t height = 0;
    int64_t width = 0;
    at::Tensor in;                       // (1,3,height,width)
    at::Tensor out;                      // (1,C_e,height,width)
    std::unique_ptr<RecordedCall> call;  // null: not yet, or not to be recorded
    bool seen = false;
    bool tried = false;
  };

  // Of a size; a new one where it is seen the first time.
  Recorded& Find(int64_t height, int64_t width) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The output for a block's input, where it is recorded.
  bool EncodeRecorded(const at::Tensor& part, const Region& inside, const at::Tensor& to) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  const Network& network_;
  const at::Device device_;
  const at::ScalarType type_;
  const Recorder recorder_;
  mutable absl::Mutex mutex_;
  mutable std::optional<c10::Stream> stream_ ABSL_GUARDED_BY(mutex_);
  mutable std::list<Recorded> recorded_ ABSL_GUARDED_BY(mutex_);  // the last one used first
};

}  // namespace hiif

#endif  // MODEL_ENGINE_DEVICE_ENCODER_H_
