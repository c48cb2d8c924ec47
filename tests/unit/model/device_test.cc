// Streams of threads on a GPU, told by a fake of LibTorch's guard for CUDA.
#include "model/engine/device.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <utility>

#include "model/upscaler/guarded_call.h"
#include "tests/testing/environment.h"

namespace hiif {
namespace {

// One device and a pool of streams 1, 2, ...; what a thread waits for is remembered, and can fail.
struct FakeGuard : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::DeviceType::CUDA; }
  c10::Device exchangeDevice(c10::Device) const override { return getDevice(); }
  c10::Device getDevice() const override { return {c10::DeviceType::CUDA, 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  c10::Stream getStream(c10::Device) const override { return Of(current); }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return Of(std::exchange(current, stream.id()));
  }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return Of(++streams); }
  void* getStreamNativeHandle(const c10::Stream stream) const override {
    return reinterpret_cast<void*>(static_cast<uintptr_t>(stream.id()));
  }
  void synchronizeStream(const c10::Stream& stream) const override {
    waited_for = stream.id();
    if (lost) throw std::runtime_error("the device is lost");
  }
  c10::Stream Of(c10::StreamId id) const {
    return c10::Stream(c10::Stream::UNSAFE, getDevice(), id);
  }
  static inline std::atomic<c10::StreamId> streams = 0;
  static inline thread_local c10::StreamId current = 0;
  static inline thread_local c10::StreamId waited_for = -1;
  static inline bool lost = false;
};

const c10::Device kDevice{c10::DeviceType::CUDA, 0};

class DeviceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    static FakeGuard guard;
    c10::impl::device_guard_impl_registry[static_cast<size_t>(c10::DeviceType::CUDA)] = &guard;
  }
  static void TearDownTestSuite() {
    c10::impl::device_guard_impl_registry[static_cast<size_t>(c10::DeviceType::CUDA)] = nullptr;
  }
  void SetUp() override { FakeGuard::waited_for = -1; }
  void TearDown() override { FakeGuard::lost = false; }
  static int64_t Current() {
    return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStream(kDevice).id();
  }
};

TEST_F(DeviceTest, AThreadHasOneStreamOfItsOwn) {
  const auto in_a_call = [] {
    const DeviceCall call(kDevice, /*own_stream=*/true);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(StreamOf(kDevice)), Current());
    return Current();
  };
  const int64_t mine = in_a_call();
  EXPECT_GT(mine, 0);
  EXPECT_EQ(FakeGuard::waited_for, mine);  // when the call was over
  EXPECT_EQ(Current(), 0);                 // and the thread is back in the default stream
  EXPECT_EQ(in_a_call(), mine);
  int64_t other = 0;
  std::thread([&] { other = in_a_call(); }).join();
  EXPECT_GT(other, 0);
  EXPECT_NE(other, mine);
}

// LibTorch keeps memory for each stream: threads that come and go take each other's.
TEST_F(DeviceTest, TheStreamOfAThreadThatEndedIsTakenAgain) {
  const auto of_a_thread = [] {
    int64_t stream = 0;
    std::thread([&] {
      const DeviceCall call(kDevice, /*own_stream=*/true);
      stream = Current();
    }).join();
    return stream;
  };
  const int64_t first = of_a_thread();
  EXPECT_EQ(of_a_thread(), first);
}

TEST_F(DeviceTest, ACallThatFailsIsWaitedForToo) {
  int64_t mine = 0;
  EXPECT_THROW(
      {
        const DeviceCall call(kDevice, true);
        mine = Current();
        throw std::runtime_error("out of memory");
      },
      std::runtime_error);
  EXPECT_EQ(FakeGuard::waited_for, mine);
  FakeGuard::lost = true;
  { const DeviceCall call(kDevice, true); }  // does not end the process
  EXPECT_THROW(Await(kDevice), std::runtime_error);
}

// An engine on the device, of which nothing but whether it is lost is asked.
struct DeviceEngine : Engine {
  std::string Identity() const override { return ""; }
  std::string precision() const override { return ""; }
  CallShape shape() const override { return {}; }
  EngineCost Costs(Grid, Grid) const override { return {}; }
  int attention_blocks() const override { return 0; }
  EncodingPlan Plan(Grid) const override { return {}; }
  std::unique_ptr<Latents> NewLatents(Grid) const override { return nullptr; }
  absl::Status Encode(const RgbImage&, const EncodingPlan&, int, int, const Heartbeat&,
                      Latents&) const override {
    return absl::OkStatus();
  }
  std::unique_ptr<Attention> MakeAttention(int64_t, SampleOf, const Heartbeat&) const override {
    return nullptr;
  }
  void Decode(absl::Span<const Group>, float*) const override {}
  bool Lost() const override { return IsLost(kDevice); }
};

// Defect: what a lost device said was a request's own error, and the server stayed healthy.
TEST_F(DeviceTest, ALostDeviceIsNoErrorOfOneRequest) {
  const DeviceEngine engine;
  const auto failed = [&] {
    return GuardedCall(engine, []() -> absl::Status {
      TORCH_CHECK(false, "CUDA error: an illegal memory access was encountered");
    });
  };
  EXPECT_TRUE(absl::IsInternal(failed())) << failed();  // the device answers
  FakeGuard::lost = true;
  EXPECT_TRUE(absl::IsUnavailable(failed())) << failed();
  EXPECT_TRUE(GuardedCall(engine, [] { return absl::OkStatus(); }).ok());
  const auto no_memory = [] { return absl::ResourceExhaustedError("no memory"); };
  EXPECT_TRUE(absl::IsResourceExhausted(GuardedCall(engine, no_memory)));
  EXPECT_FALSE(IsLost(at::kCPU));
}

TEST_F(DeviceTest, OneStreamForAllIsNotWaitedFor) {
  {
    const DeviceCall call(kDevice, /*own_stream=*/false);
    EXPECT_EQ(Current(), 0);
  }
  EXPECT_EQ(FakeGuard::waited_for, -1);
  Await(kDevice);
  EXPECT_EQ(FakeGuard::waited_for, 0);
}

TEST_F(DeviceTest, StreamsAreChosenByTheEnvironment) {
  const auto chosen = [](const char* value, const c10::Device& device) {
    const testing::ScopedEnvironment streams("HIIF_CUDA_STREAMS", value);
    return OwnStreams(device);
  };
  for (const char* value : {"own", ""}) EXPECT_EQ(*chosen(value, kDevice), true) << value;
  EXPECT_EQ(*chosen("one", kDevice), false);
  EXPECT_EQ(*chosen("own", at::kCPU), false);
  EXPECT_TRUE(absl::IsInvalidArgument(chosen("two", at::kCPU).status()));
}

TEST_F(DeviceTest, ACpuNeedsNothingOfIt) {
  const DeviceCall call(at::kCPU, false);
  Await(at::kCPU);
  EXPECT_EQ(StreamOf(at::kCPU), nullptr);
  const at::Tensor host = HostTensor({2, 3}, at::kInt, at::kCPU);
  EXPECT_FALSE(host.is_pinned());
  EXPECT_EQ(ToDevice(host, at::kCPU).data_ptr(), host.data_ptr());
  EXPECT_EQ(ToHost(at::full({2, 2}, 3, at::kDouble).t()).scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace hiif
