// Memory of a device, told by a fake of LibTorch's caching allocator for CUDA.
#include "model/upscaler/device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <gtest/gtest.h>

#include <utility>

namespace hiif {
namespace {

using c10::CachingAllocator::StatType;

// A device "cuda:1" of 1,000 bytes; cuda:0 does not answer.
class FakeAllocator : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t) override { return {}; }
  void copy_data(void*, const void*, std::size_t) const override {}
  bool initialized() override { return initialized_; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override {
    TORCH_CHECK(device == 1, "no such device");
    c10::CachingDeviceAllocator::DeviceStats statistics;
    auto& allocated = statistics.allocated_bytes[static_cast<size_t>(StatType::AGGREGATE)];
    allocated.current = 300;
    allocated.peak = peak_;
    statistics.reserved_bytes[static_cast<size_t>(StatType::AGGREGATE)].current = 500;
    return statistics;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex device) override {
    TORCH_CHECK(device == 1, "no such device");
    peak_ = 300;
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex) override { return {250, 1000}; }

  bool initialized_ = true;
  int64_t peak_ = 400;
};

TEST(DeviceMemory, OfAFakeDevice) {
  EXPECT_TRUE(absl::IsUnimplemented(ReadDeviceMemory("cuda").status()));
  static FakeAllocator fake;
  c10::SetAllocator(c10::DeviceType::CUDA, &fake, /*priority=*/255);
  const auto memory = ReadDeviceMemory("cuda:1");
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->size, 1000);
  EXPECT_EQ(memory->used, 750);
  EXPECT_EQ(memory->allocated, 300);
  EXPECT_EQ(memory->reserved, 500);
  EXPECT_EQ(memory->peak, 400);
  EXPECT_TRUE(absl::IsInternal(ReadDeviceMemory("cuda").status()));  // an exception of LibTorch
  ASSERT_TRUE(ResetDevicePeak("cuda:1").ok());
  EXPECT_EQ(ReadDeviceMemory("cuda:1")->peak, 300);
  EXPECT_TRUE(absl::IsInternal(ResetDevicePeak("cuda")));
  fake.initialized_ = false;
  EXPECT_TRUE(absl::IsUnavailable(ReadDeviceMemory("cuda:1").status()));
}

TEST(DeviceMemory, OtherNamesAreRefused) {
  for (const char* name : {"cpu", "", "cuda:", "cuda:x", "cuda:-1", "cuda1"})
    EXPECT_TRUE(absl::IsInvalidArgument(ReadDeviceMemory(name).status())) << name;
  EXPECT_TRUE(absl::IsInvalidArgument(ResetDevicePeak("cpu")));
}

}  // namespace
}  // namespace hiif
