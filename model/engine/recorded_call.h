// Internal to model/engine: work of a GPU that was recorded once and is asked for again as a whole
// (a CUDA graph), which takes the host microseconds where each of its kernels would.
#ifndef MODEL_ENGINE_RECORDED_CALL_H_
#define MODEL_ENGINE_RECORDED_CALL_H_

#include <ATen/ATen.h>

#include <functional>
#include <memory>

#include "absl/status/statusor.h"

namespace hiif {

class RecordedCall {
 public:
  virtual ~RecordedCall() = default;
  // Asks the current stream for what was recorded, on the same tensors.
  virtual void Replay() = 0;
};

// Calls `work` twice in the current stream, which is not the device's default one: once to have
// what it needs made, and once to record it. It may ask for kernels alone: no copy from the host,
// no wait. Null: this device cannot, or the work cannot be recorded.
using Recorder = std::function<std::unique_ptr<RecordedCall>(const std::function<void()>& work)>;

// Of CUDA; null where this build has none, for a CPU, and where HIIF_CUDA_GRAPHS is "off".
// InvalidArgument: it is neither "on", "off" nor not set.
absl::StatusOr<Recorder> CudaRecorder(const at::Device& device);

}  // namespace hiif

#endif  // MODEL_ENGINE_RECORDED_CALL_H_
