#include "model/upscaler/device_memory.h"

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "model/upscaler/guard.h"

namespace hiif {
namespace {

// use(allocator, index) of a device.
template <class F>
absl::Status WithAllocator(const std::string& device, const F& use) {
  absl::string_view number = device;
  int index = 0;
  if (!absl::ConsumePrefix(&number, "cuda") ||
      (!number.empty() &&
       !(absl::ConsumePrefix(&number, ":") && absl::SimpleAtoi(number, &index) && index >= 0)))
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", device, "\": \"cuda\" or \"cuda:N\" is needed"));
  return Guard([&]() -> absl::Status {
    if (c10::GetAllocator(c10::DeviceType::CUDA) == nullptr)
      return absl::UnimplementedError(absl::StrCat("device \"", device, "\" is not in this build"));
    c10::DeviceAllocator* const allocator = c10::getDeviceAllocator(c10::DeviceType::CUDA);
    if (!allocator->initialized())
      return absl::UnavailableError(absl::StrCat("device \"", device, "\" is not in use yet"));
    use(*allocator, static_cast<c10::DeviceIndex>(index));
    return absl::OkStatus();
  });
}

}  // namespace

absl::StatusOr<DeviceMemory> ReadDeviceMemory(const std::string& device) {
  DeviceMemory memory;
  HIIF_RETURN_IF_ERROR(
      WithAllocator(device, [&](c10::DeviceAllocator& allocator, c10::DeviceIndex at) {
        const auto [free, size] = allocator.getMemoryInfo(at);
        const auto statistics = allocator.getDeviceStats(at);
        const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
        memory.size = static_cast<int64_t>(size);
        memory.used = static_cast<int64_t>(size - free);
        memory.allocated = statistics.allocated_bytes[all].current;
        memory.peak = statistics.allocated_bytes[all].peak;
        memory.reserved = statistics.reserved_bytes[all].current;
      }));
  return memory;
}

absl::StatusOr<int64_t> DeviceMemorySize(const std::string& device) {
  HIIF_RETURN_IF_ERROR(Guard([&]() -> absl::Status {
    if (at::globalContext().hasCUDA()) at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
    return absl::OkStatus();
  }));
  HIIF_ASSIGN_OR_RETURN(const DeviceMemory memory, ReadDeviceMemory(device));
  return memory.size;
}

absl::Status ResetDevicePeak(const std::string& device) {
  return WithAllocator(device, [](c10::DeviceAllocator& allocator, c10::DeviceIndex at) {
    allocator.resetPeakStats(at);
  });
}

}  // namespace hiif
