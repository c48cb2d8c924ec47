// Internal to model/engine: what a thread asks of a device of LibTorch: in which order, and with
// copies that it need not wait for. Nothing of it does anything on a CPU. Needs none of CUDA's
// headers.
#ifndef MODEL_ENGINE_DEVICE_H_
#define MODEL_ENGINE_DEVICE_H_

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hiif {

// What the environment says for `name`: `one` or `other`, or nothing. InvalidArgument: something
// else.
absl::StatusOr<absl::string_view> ChosenByEnvironment(const char* name, absl::string_view one,
                                                      absl::string_view other);

// "cpu", "cuda" or "cuda:N". InvalidArgument: another name; Unimplemented: it is not there.
absl::StatusOr<at::Device> FindDevice(const std::string& name);

// Whether every thread has a stream of its own on a GPU, as HIIF_CUDA_STREAMS says: "own" (and not
// set), or "one", the device's default one for all. InvalidArgument: something else.
absl::StatusOr<bool> OwnStreams(const at::Device& device);

// A call of an engine, on the thread that makes it. In streams of their own, one thread's copies go
// beside another's kernels, and tensors are used in other streams than they were made in: what was
// asked in a call is done when the call is over, also where an exception ends it.
class DeviceCall {
 public:
  DeviceCall(const at::Device& device, bool own_stream);
  ~DeviceCall();
  DeviceCall(const DeviceCall&) = delete;
  DeviceCall& operator=(const DeviceCall&) = delete;

 private:
  const c10::InferenceMode inference_;
  std::optional<c10::StreamGuard> stream_;
};

// Returns when what the calling thread asked of the device is done; throws what the device says.
void Await(const at::Device& device);
// Whether the device answers no more, whatever it is asked: to be called where something failed.
// False for a CPU.
bool IsLost(const at::Device& device);
// The calling thread's stream, as CUDA has it; null: of a CPU.
void* StreamOf(const at::Device& device);

// Memory of the host, not initialised, for values that go to the device: pinned for a GPU.
at::Tensor HostTensor(at::IntArrayRef shape, at::ScalarType type, const at::Device& device);
// Of a HostTensor; does not wait.
at::Tensor ToDevice(const at::Tensor& host, const at::Device& device);
// Contiguous float32 values on the host; waits.
at::Tensor ToHost(const at::Tensor& values);

}  // namespace hiif

#endif  // MODEL_ENGINE_DEVICE_H_
