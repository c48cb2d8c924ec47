#include "server/core/device_memory.h"

#include "server/metrics/process.h"

namespace hiif::server {

DeviceMemory DeviceMemoryOf(const std::string& device) {
  if (device != "cpu") return ReadDeviceMemory(device).value_or(DeviceMemory{});
  DeviceMemory memory;
  memory.used = ResidentBytes();
  memory.peak = PeakResidentBytes();
  return memory;
}

int64_t DeviceBytesInUse(const std::string& device) {
  return device == "cpu" ? ResidentBytes() : DeviceMemoryOf(device).allocated;
}

}  // namespace hiif::server
