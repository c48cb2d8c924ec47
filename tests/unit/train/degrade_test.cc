#include "train/degrade.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hiif::train {
namespace {

RgbImage Grey(int64_t height, int64_t width, uint8_t value) {
  return {SampleType::kU8, height, width, std::vector<uint8_t>(height * width * 3, value)};
}

double RootMeanSquare(const RgbImage& a, const RgbImage& b) {
  double sum = 0;
  for (size_t i = 0; i < a.samples.size(); ++i) {
    const double difference = a.samples[i] - b.samples[i];
    sum += difference * difference;
  }
  return std::sqrt(sum / static_cast<double>(a.samples.size()));
}

// Waves from coarse to fine.
RgbImage Chart() {
  RgbImage image = Grey(48, 56, 0);
  for (int64_t y = 0; y < 48; ++y) {
    for (int64_t x = 0; x < 56; ++x) {
      const double wave =
          std::sin(0.02 * static_cast<double>(x * x) + 0.3 * static_cast<double>(y));
      for (int c = 0; c < 3; ++c) {
        image.samples[(y * 56 + x) * 3 + c] = static_cast<uint8_t>(128 + (90 - 40 * c) * wave);
      }
    }
  }
  return image;
}

TEST(DegradeTest, DrawsLieInTheirRanges) {
  Random random(1, 2, 3);
  double blur = 0, noise = 0, quality = 0, half = 0;
  for (int i = 0; i < 4000; ++i) {
    const Degradation d = DrawDegradation(random);
    ASSERT_TRUE(d.blur >= 0.2 && d.blur < 1.5 && d.noise >= 0 && d.noise < 6);
    ASSERT_TRUE(d.quality >= 50 && d.quality <= 95);
    blur += d.blur / 4000;
    noise += d.noise / 4000;
    quality += d.quality / 4000.0;
    half += d.half_chroma ? 1.0 / 4000 : 0;
  }
  EXPECT_NEAR(blur, 0.85, 0.03);
  EXPECT_NEAR(noise, 3.0, 0.15);
  EXPECT_NEAR(quality, 72.5, 1.0);
  EXPECT_NEAR(half, 0.5, 0.04);
}

TEST(DegradeTest, BlurIsAGaussian) {
  RgbImage image = Grey(17, 17, 0);
  for (int c = 0; c < 3; ++c) image.samples[(8 * 17 + 8) * 3 + c] = 255;
  Random random(1, 1, 1);
  const RgbImage out = Degrade(image, {.blur = 1.0, .quality = 100}, random);
  const auto at = [&](int64_t y, int64_t x) {
    return static_cast<double>(out.samples[(y * 17 + x) * 3 + 1]);
  };
  const double peak = 255.0 / (2.0 * M_PI);  // of the sampled Gaussian, nearly
  EXPECT_NEAR(at(8, 8), peak, 2.0);
  EXPECT_NEAR(at(8, 9), peak * std::exp(-0.5), 2.0);
  EXPECT_NEAR(at(7, 8), peak * std::exp(-0.5), 2.0);
  EXPECT_NEAR(at(9, 10), peak * std::exp(-2.5), 2.0);
  EXPECT_NEAR(at(0, 0), 0.0, 1.0);
}

TEST(DegradeTest, NoiseHasTheDeviationAskedForAndNoBias) {
  const RgbImage image = Grey(64, 64, 120);
  Random random(1, 1, 1);
  const RgbImage out = Degrade(image, {.noise = 5.0, .quality = 100}, random);
  EXPECT_NEAR(RootMeanSquare(image, out), 5.0, 0.4);
  double mean = 0;
  for (const uint8_t sample : out.samples) mean += sample;
  EXPECT_NEAR(mean / static_cast<double>(out.samples.size()), 120.0, 0.3);
}

TEST(DegradeTest, ALowerQualityAndHalvedChromaLoseMore) {
  const RgbImage image = Chart();
  Random random(1, 1, 1);
  const auto lost = [&](int quality, bool half) {
    return RootMeanSquare(image, Degrade(image, {.quality = quality, .half_chroma = half}, random));
  };
  EXPECT_LT(lost(100, false), 1.5);
  EXPECT_LT(lost(95, false), lost(70, false));
  EXPECT_LT(lost(70, false), lost(50, false));
  EXPECT_LT(lost(95, false), lost(95, true));
}

TEST(DegradeTest, TheSameDrawsGiveTheSameImage) {
  Random one(7, 8, 9), two(7, 8, 9), other(7, 8, 10);
  const auto degraded = [](Random& random) {
    const Degradation d = DrawDegradation(random);
    return Degrade(Chart(), d, random).samples;
  };
  const auto first = degraded(one);
  EXPECT_EQ(first, degraded(two));
  EXPECT_NE(first, degraded(other));
}

TEST(DegradeTest, TwiceLosesMoreThanOnceAndKeepsSizeAndLight) {
  double once = 0, twice = 0, shift = 0;
  for (uint64_t i = 0; i < 20; ++i) {
    Random random(3, i, 0), other(3, i, 0);
    const RgbImage worn = DegradeTwice(Chart(), random);
    ASSERT_EQ(worn.height, 48);
    ASSERT_EQ(worn.width, 56);
    twice += RootMeanSquare(worn, Chart());
    once += RootMeanSquare(Degrade(Chart(), DrawDegradation(other), other), Chart());
    for (size_t k = 0; k < worn.samples.size(); ++k) {
      shift += worn.samples[k] - Chart().samples[k];
    }
  }
  EXPECT_GT(twice, 1.1 * once);
  EXPECT_NEAR(shift / (20.0 * 48 * 56 * 3), 0, 1.5);
}

TEST(DegradeTest, AnotherSizeInBetweenComesBack) {
  Random random(1, 2, 3);
  const Degradation smaller{.resize = 0.5, .quality = 100};
  const RgbImage image = Degrade(Chart(), smaller, random);
  EXPECT_EQ(image.height, 48);
  EXPECT_EQ(image.width, 56);
  EXPECT_GT(RootMeanSquare(image, Chart()),
            RootMeanSquare(Degrade(Chart(), {.quality = 100}, random), Chart()));
  const RgbImage pixel{SampleType::kU8, 1, 1, {1, 2, 3}};
  EXPECT_EQ(Degrade(pixel, {.resize = 0.1}, random).samples.size(), 3);
}

}  // namespace
}  // namespace hiif::train
