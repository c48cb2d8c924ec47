// Recorded encoders, by a recorder that plays its work again on the CPU.
#include "model/engine/device_encoder.h"

#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <utility>

#include "model/engine/device.h"
#include "tests/testing/environment.h"
#include "tests/testing/paths.h"

namespace hiif {
namespace {

class PlayedAgain : public RecordedCall {
 public:
  PlayedAgain(std::function<void()> work, int* replays)
      : work_(std::move(work)), replays_(replays) {}
  void Replay() override {
    ++*replays_;
    work_();
  }

 private:
  const std::function<void()> work_;
  int* const replays_;
};

RgbImage Waves(int64_t height, int64_t width, double phase) {
  RgbImage image;
  image.height = height;
  image.width = width;
  for (int64_t i = 0; i < height * width * 3; ++i) {
    image.samples.push_back(
        static_cast<uint8_t>(128 + 90 * std::sin(0.7 * static_cast<double>(i) + phase)));
  }
  return image;
}

class DeviceEncoderTest : public ::testing::Test {
 protected:
  DeviceEncoderTest()
      : network_(LoadNetwork(*Checkpoint::Open(
                                 testing::RepositoryPath("models/edsr-baseline-hiif.safetensors")))
                     .value()) {}

  Recorder Playing() {
    return [this](const std::function<void()>& work) {
      ++recordings_;
      work();
      return std::make_unique<PlayedAgain>(work, &replays_);
    };
  }
  at::Tensor Codes(const DeviceEncoder& encoder, const RgbImage& image, const EncodingPlan& plan) {
    const c10::InferenceMode inference;
    at::Tensor codes = at::full({image.height, image.width, 64}, NAN, at::kFloat);
    for (size_t block = 0; block < plan.blocks.size(); ++block) {
      encoder.Encode(image, plan, static_cast<int>(block), 1, {}, codes);
    }
    return codes;
  }
  EncodingPlan Plan(const RgbImage& image) {
    return PlanEncoding(*network_.config.encoder, {image.height, image.width});
  }

  const Network network_;
  int recordings_ = 0;
  int replays_ = 0;
};

TEST_F(DeviceEncoderTest, WhatIsRecordedGivesTheSame) {
  const DeviceEncoder plain(network_, at::kCPU, at::kFloat, nullptr);
  const DeviceEncoder recorded(network_, at::kCPU, at::kFloat, Playing());
  for (int i = 0; i < 4; ++i) {
    const RgbImage image = Waves(9, 14, i);  // the first is not recorded: it may not come again
    EXPECT_TRUE(at::equal(Codes(recorded, image, Plan(image)), Codes(plain, image, Plan(image))));
    EXPECT_EQ(recordings_, i == 0 ? 0 : 1);
    EXPECT_EQ(replays_, i);
  }
}

TEST_F(DeviceEncoderTest, FewSizesAreKept) {
  const DeviceEncoder encoder(network_, at::kCPU, at::kFloat, Playing());
  const auto sizes = static_cast<int>(DeviceEncoder::kMostSizes);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < sizes; ++i) {
      const RgbImage image = Waves(6, 5 + i, 0);
      Codes(encoder, image, Plan(image));
    }
  }
  EXPECT_EQ(recordings_, sizes);
  const RgbImage another = Waves(7, 7, 0);
  Codes(encoder, another, Plan(another));  // in the place of the first
  const RgbImage first = Waves(6, 5, 0);
  Codes(encoder, first, Plan(first));
  EXPECT_EQ(recordings_, sizes);
  Codes(encoder, first, Plan(first));
  EXPECT_EQ(recordings_, sizes + 1);
}

TEST_F(DeviceEncoderTest, WhatCannotBeRecordedIsEncoded) {
  int tries = 0;
  const DeviceEncoder encoder(network_, at::kCPU, at::kFloat, [&](const std::function<void()>&) {
    ++tries;
    return std::unique_ptr<RecordedCall>();
  });
  const DeviceEncoder plain(network_, at::kCPU, at::kFloat, nullptr);
  const RgbImage image = Waves(8, 8, 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(at::equal(Codes(encoder, image, Plan(image)), Codes(plain, image, Plan(image))));
  }
  EXPECT_EQ(tries, 1);
}

TEST(CudaRecorder, TheEnvironmentSaysWhether) {
  EXPECT_EQ(CudaRecorder(at::kCPU).value(), nullptr);
  const testing::ScopedEnvironment chosen("HIIF_CUDA_GRAPHS", "maybe");
  EXPECT_TRUE(absl::IsInvalidArgument(CudaRecorder(at::kCPU).status()));
}

}  // namespace
}  // namespace hiif
