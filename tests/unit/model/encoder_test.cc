// The encoder of DAT-light, against latent codes that were recorded from the released network.
#include "model/engine/latents.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/checkpoint/checkpoint.h"
#include "model/format/safetensors.h"
#include "model/layers/layers.h"
#include "model/upscaler/factory.h"
#include "tests/testing/paths.h"
#include "tests/testing/rendering.h"

namespace hiif {
namespace {

// Planes (3,h,w) of [0,1].
RgbImage ImageOf(const std::vector<float>& planes, int64_t height, int64_t width) {
  RgbImage image{SampleType::kF32, height, width, {}};
  std::vector<float> samples(planes.size());
  for (int64_t i = 0; i < height * width; ++i) {
    for (int64_t c = 0; c < 3; ++c) samples[i * 3 + c] = planes[c * height * width + i];
  }
  image.samples.resize(samples.size() * sizeof(float));
  std::memcpy(image.samples.data(), samples.data(), image.samples.size());
  return image;
}

double Deviation(const std::vector<float>& values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const float v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / n);
}

class DatLight : public ::testing::TestWithParam<const char*> {};

// Sides that are no multiples of the windows, one strip of rows and several.
TEST_P(DatLight, GivesTheRecordedLatentCodes) {
  const std::string path = testing::SharedPath(
      absl::StrCat("recorded/dat-light/dat-light-x3.", GetParam(), ".safetensors"));
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto recorded = Safetensors::Read(path);
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  const std::vector<int64_t>& shape = (*recorded)->tensors().at("latents").shape;
  const int64_t height = shape[1];
  const int64_t width = shape[2];
  const std::vector<float> expected = *(*recorded)->Floats("latents");
  const RgbImage image = ImageOf(*(*recorded)->Floats("input"), height, width);

  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/dat-light-hiif-fast.safetensors"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const double scale = checkpoint->config().encoder->sizes().at("output_scale").get<double>();
  const auto encoder = HostEncoder::Create(*checkpoint, /*bfloat16=*/false);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const int channels = checkpoint->config().encoder->features();
  ASSERT_EQ(channels, shape[0]);
  HostLatents codes({height, width}, channels);
  (*encoder)->Encode(image, PlanWhole({height, width}), /*block=*/0, /*threads=*/2, nullptr, codes);
  const std::vector<float>& latents = codes.values;
  double largest = 0;
  for (int64_t i = 0; i < height * width; ++i) {
    for (int64_t c = 0; c < channels; ++c) {
      const double got = latents[i * channels + c] / scale;
      largest = std::max(largest, std::fabs(got - expected[c * height * width + i]));
    }
  }
  EXPECT_LE(largest, 1e-4 * Deviation(expected));
}

// A whole image is one block, through which the server must hear that it gets on.
TEST(DatLightBeats, AreMoreForLargerImages) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/dat-light-hiif-fast.safetensors"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto encoder = HostEncoder::Create(*checkpoint, /*bfloat16=*/false);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto beats = [&](int64_t height) {
    const RgbImage image{SampleType::kU8, height, 16, std::vector<uint8_t>(height * 16 * 3, 99)};
    HostLatents codes({height, 16}, checkpoint->config().encoder->features());
    int count = 0;
    const auto beat = [&count] { return ++count > 0; };
    (*encoder)->Encode(image, PlanWhole({height, 16}), 0, 1, beat, codes);
    return count;
  };
  const int one_strip = beats(32);
  EXPECT_GE(beats(4 * 32), 3 * one_strip);
}

class InStrips : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto checkpoint = Checkpoint::Open(
        testing::RepositoryPath(absl::StrCat("models/", GetParam(), ".safetensors")));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    channels_ = checkpoint->config().encoder->features();
    auto encoder = HostEncoder::Create(*checkpoint, /*bfloat16=*/false);
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    encoder_ = *std::move(encoder);
    for (int64_t i = 0; i < kSize.height * kSize.width * 3; ++i)
      image_.samples.push_back(i * i % 251);
  }
  std::vector<float> Encode(int threads, const Heartbeat& beat) const {
    HostLatents codes(kSize, channels_);
    encoder_->Encode(image_, PlanWhole(kSize), /*block=*/0, threads, beat, codes);
    return codes.values;
  }

  static constexpr Grid kSize{140, 61};
  RgbImage image_{SampleType::kU8, kSize.height, kSize.width, {}};
  std::unique_ptr<HostEncoder> encoder_;
  int channels_ = 0;
};

TEST_P(InStrips, ThreadsMakeNoDifferenceToABit) {
  const std::vector<float> alone = Encode(1, nullptr);
  EXPECT_TRUE(Encode(2, nullptr) == alone);
  EXPECT_TRUE(Encode(7, nullptr) == alone);
}

TEST_P(InStrips, WhichAreGivenUpOnWhateverThread) {
  for (const int threads : {1, 3}) {
    std::atomic<int> beats = 0;
    EXPECT_THROW(Encode(threads, [&] { return ++beats < 12; }), Interrupted);
    EXPECT_LE(beats, 12 + 2 * threads);
  }
}

INSTANTIATE_TEST_SUITE_P(Encoders, InStrips,
                         ::testing::Values("dat-light-hiif-fast", "swinir-hiif-small"),
                         [](const auto& i) {
                           return absl::StrReplaceAll(i.param, {{"-", ""}});
                         });

// Defect: on a GPU, where the default is bfloat16, the model could not be served at all.
TEST(DatLightTorch, IsServedInEveryPrecision) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/dat-light-hiif-fast.safetensors"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  auto image = std::make_shared<RgbImage>();
  *image = {SampleType::kU8, 16, 16, std::vector<uint8_t>(size_t{16} * 16 * 3, 99)};
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBFloat16, Precision::kFloat16}) {
    const auto upscaler =
        MakeUpscaler(*checkpoint, {.backend = Backend::kTorch, .precision = precision});
    ASSERT_TRUE(upscaler.ok()) << upscaler.status();
    const auto features = (*upscaler)->Encode(image);
    ASSERT_TRUE(features.ok()) << features.status();
    const auto context = (*upscaler)->MakeContext(**features, {32, 32}, {});
    ASSERT_TRUE(context.ok()) << context.status();
    for (const float value :
         testing::RenderRegion(**upscaler, **features, **context, {0, 0, 32, 32})) {
      EXPECT_NEAR((value + 1) / 2, 99.0 / 255, 0.02);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Recorded, DatLight, ::testing::Values("16x16", "20x24", "33x17", "72x40"),
                         [](const auto& i) { return absl::StrCat("Size", i.param); });

}  // namespace
}  // namespace hiif
