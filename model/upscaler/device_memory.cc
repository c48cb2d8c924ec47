#include "model/upscaler/device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/upscaler/guard.h"

namespace hiif {

absl::StatusOr<DeviceMemory> ReadDeviceMemory(const std::string& device) {
  absl::string_view number = device;
  int index = 0;
  if (!absl::ConsumePrefix(&number, "cuda") ||
      (!number.empty() &&
       !(absl::ConsumePrefix(&number, ":") && absl::SimpleAtoi(number, &index) && index >= 0)))
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", device, "\": \"cuda\" or \"cuda:N\" is needed"));
  return Guard([&]() -> absl::StatusOr<DeviceMemory> {
    if (c10::GetAllocator(c10::DeviceType::CUDA) == nullptr)
      return absl::UnimplementedError(absl::StrCat("device \"", device, "\" is not in this build"));
    c10::DeviceAllocator* const allocator = c10::getDeviceAllocator(c10::DeviceType::CUDA);
    if (!allocator->initialized())
      return absl::UnavailableError(absl::StrCat("device \"", device, "\" is not in use yet"));
    const auto at = static_cast<c10::DeviceIndex>(index);
    const auto [free, size] = allocator->getMemoryInfo(at);
    const auto statistics = allocator->getDeviceStats(at);
    const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    DeviceMemory memory;
    memory.size = static_cast<int64_t>(size);
    memory.used = static_cast<int64_t>(size - free);
    memory.allocated = statistics.allocated_bytes[all].current;
    memory.peak = statistics.allocated_bytes[all].peak;
    memory.reserved = statistics.reserved_bytes[all].current;
    return memory;
  });
}

}  // namespace hiif
