// Memory of the device that upscalers compute on.
#ifndef MODEL_UPSCALER_DEVICE_MEMORY_H_
#define MODEL_UPSCALER_DEVICE_MEMORY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hiif {

// In bytes.
struct DeviceMemory {
  int64_t size = 0;       // that the device has
  int64_t used = 0;       // of it, by every process (cudaMemGetInfo)
  int64_t allocated = 0;  // in tensors of this process
  int64_t reserved = 0;   // by LibTorch's caching allocator: allocated, or kept for what comes next
  int64_t peak = 0;       // most that was allocated since ResetDevicePeak(), or ever
};

// device: "cuda" or "cuda:N", as in UpscalerOptions. Unavailable: nothing has used it yet;
// Unimplemented: it is not there; InvalidArgument: another name, "cpu" too, whose memory is the
// process's. Any thread; takes microseconds.
absl::StatusOr<DeviceMemory> ReadDeviceMemory(const std::string& device);
// Bytes that the device has; makes it ready for use first, which takes seconds. Unimplemented: it
// is not there. InvalidArgument as above.
absl::StatusOr<int64_t> DeviceMemorySize(const std::string& device);
// Errors as above.
absl::Status ResetDevicePeak(const std::string& device);

}  // namespace hiif

#endif  // MODEL_UPSCALER_DEVICE_MEMORY_H_
