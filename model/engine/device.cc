#include "model/engine/device.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <exception>
#include <map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "base/environment.h"
#include "base/status_macros.h"

namespace hiif {
namespace {

c10::Stream CurrentStream(const at::Device& device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

// Streams of LibTorch's pool, which has 32 for a device, that no thread has: the last one given
// back first, since LibTorch's memory belongs to streams.
class FreeStreams {
 public:
  c10::Stream Take(const at::Device& device) {
    absl::MutexLock lock(&mutex_);
    std::vector<c10::Stream>& free = free_[device.index()];
    if (free.empty()) {
      return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
    }
    const c10::Stream stream = free.back();
    free.pop_back();
    return stream;
  }
  void GiveBack(const c10::Stream& stream) {
    absl::MutexLock lock(&mutex_);
    free_[stream.device_index()].push_back(stream);
  }
  static FreeStreams& Get() {
    static auto& streams = *new FreeStreams;  // threads may end after everything else
    return streams;
  }

 private:
  absl::Mutex mutex_;
  std::map<c10::DeviceIndex, std::vector<c10::Stream>> free_ ABSL_GUARDED_BY(mutex_);
};

// One of its own for each device, while the thread lives.
c10::Stream StreamOfThread(const at::Device& device) {
  struct Streams {
    ~Streams() {
      for (const auto& [index, stream] : of_device) FreeStreams::Get().GiveBack(stream);
    }
    std::map<c10::DeviceIndex, c10::Stream> of_device;
  };
  thread_local Streams streams;
  const auto found = streams.of_device.find(device.index());
  if (found != streams.of_device.end()) return found->second;
  const c10::Stream stream = FreeStreams::Get().Take(device);
  return streams.of_device.emplace(device.index(), stream).first->second;
}

}  // namespace

absl::StatusOr<absl::string_view> ChosenByEnvironment(const char* name, absl::string_view one,
                                                      absl::string_view other) {
  const char* value = EnvironmentVariable(name);
  const absl::string_view chosen = value == nullptr ? "" : value;
  if (chosen.empty() || chosen == one || chosen == other) return chosen;
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": \"", chosen, "\" is neither ", one, " nor ", other));
}

absl::StatusOr<at::Device> FindDevice(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  absl::string_view number = name;
  int index = 0;
  if (!absl::ConsumePrefix(&number, "cuda") ||
      (!number.empty() &&
       !(absl::ConsumePrefix(&number, ":") && absl::SimpleAtoi(number, &index)))) {
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", name, "\": \"cpu\", \"cuda\" or \"cuda:N\" is needed"));
  }
  if (!at::globalContext().hasCUDA()) {
    return absl::UnimplementedError(
        absl::StrCat("device \"", name,
                     "\" is not there: a build with the preset \"cuda\" and a "
                     "machine with a CUDA driver are needed"));
  }
  const c10::DeviceIndex devices = at::detail::getCUDAHooks().deviceCount();
  if (index < 0 || index >= devices) {
    return absl::UnimplementedError(absl::StrCat(
        "device \"", name, "\" is not there: this machine has ", static_cast<int>(devices)));
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

absl::StatusOr<bool> OwnStreams(const at::Device& device) {
  HIIF_ASSIGN_OR_RETURN(const absl::string_view chosen,
                        ChosenByEnvironment("HIIF_CUDA_STREAMS", "one", "own"));
  return chosen != "one" && device.is_cuda();
}

DeviceCall::DeviceCall(const at::Device& device, bool own_stream) {
  if (own_stream) stream_.emplace(StreamOfThread(device));
}

DeviceCall::~DeviceCall() {
  if (!stream_) return;
  try {
    stream_->current_stream().synchronize();
  } catch (...) {  // NOLINT(bugprone-empty-catch): a device that is lost says so to the next call
  }
}

void Await(const at::Device& device) {
  if (!device.is_cpu()) CurrentStream(device).synchronize();
}

bool IsLost(const at::Device& device) {
  // An error of a kernel stays with the process's context, where that of one call does not.
  try {
    Await(device);
    return false;
  } catch (const std::exception&) {
    return true;
  }
}

void* StreamOf(const at::Device& device) {
  return device.is_cpu() ? nullptr : CurrentStream(device).native_handle();
}

at::Tensor HostTensor(at::IntArrayRef shape, at::ScalarType type, const at::Device& device) {
  return at::empty(shape, at::TensorOptions().dtype(type).pinned_memory(device.is_cuda()));
}

at::Tensor ToDevice(const at::Tensor& host, const at::Device& device) {
  return host.to(device, /*non_blocking=*/true);
}

at::Tensor ToHost(const at::Tensor& values) {
  if (values.is_cpu()) return values.to(at::kFloat).contiguous();
  at::Tensor host = HostTensor(values.sizes(), at::kFloat, values.device());
  host.copy_(values.to(at::kFloat), /*non_blocking=*/true);
  Await(values.device());
  return host;
}

}  // namespace hiif
