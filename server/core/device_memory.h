// Memory of what the server computes on, for metrics and trailers.
#ifndef SERVER_CORE_DEVICE_MEMORY_H_
#define SERVER_CORE_DEVICE_MEMORY_H_

#include <string>

#include "model/upscaler/device_memory.h"

namespace hiif::server {

// Of "cuda" or "cuda:N" what ReadDeviceMemory() says, zeros while it says nothing; of "cpu" used
// and peak of the process alone.
DeviceMemory DeviceMemoryOf(const std::string& device);

// What a request's peak is taken of: tensors on a device, all of the process on a CPU.
int64_t DeviceBytesInUse(const std::string& device);

}  // namespace hiif::server

#endif  // SERVER_CORE_DEVICE_MEMORY_H_
