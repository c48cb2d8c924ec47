#include "imaging/tile.h"

#include <cmath>
#include <numbers>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/imaging/files.h"

namespace hiif {
namespace {

using testing::At;

template <typename T>
Picture FromSamples(Grid size, int channels, SampleType type, const std::vector<T>& samples) {
  auto picture = PictureFromSamples(
      size, channels, type,
      {reinterpret_cast<const char*>(samples.data()), samples.size() * sizeof(T)});
  EXPECT_TRUE(picture.ok()) << picture.status();
  return *std::move(picture);
}

std::vector<uint8_t> Composed(const Picture& picture, Grid grid, Region region,
                              const std::vector<float>& network, SampleType type) {
  std::vector<uint8_t> out(TileBytes(picture, type, region.pixels()));
  const absl::Status status =
      ComposeTile(picture, grid, region, network, type, absl::MakeSpan(out));
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

// The network's value for a sample value v of `most`.
float Network(double v, double most) { return static_cast<float>(v / most * 2 - 1); }

TEST(ComposeTile, EverySampleComesBack) {
  const Picture picture = FromSamples<uint8_t>({1, 1}, 3, SampleType::kU8, {1, 2, 3});
  std::vector<float> network;
  for (int v = 0; v < 65536; ++v) network.insert(network.end(), 3, Network(v, 65535));
  const Grid grid = {256, 256};
  const auto wide = Composed(picture, grid, {0, 0, 256, 256}, network, SampleType::kU16);
  for (int v = 0; v < 65536; ++v) ASSERT_EQ(At<uint16_t>(wide, v * 3 + v % 3), v);
  network.clear();
  for (int v = 0; v < 256; ++v) network.insert(network.end(), 3, Network(v, 255));
  const auto narrow = Composed(picture, {16, 16}, {0, 0, 16, 16}, network, SampleType::kU8);
  for (int v = 0; v < 256; ++v) ASSERT_EQ(+At<uint8_t>(narrow, v * 3 + 1), v);
  const auto floats = Composed(picture, {16, 16}, {0, 0, 16, 16}, network, SampleType::kF32);
  for (int v = 0; v < 256; ++v) ASSERT_NEAR(At<float>(floats, v * 3), v / 255.0, 1e-7);
}

TEST(ComposeTile, RoundsHalfUpAndClamps) {
  const Picture picture = FromSamples<uint8_t>({1, 1}, 3, SampleType::kU8, {1, 2, 3});
  const std::vector<float> network = {
      Network(99.49, 255), Network(99.51, 255), -1.5f, 2.0f, -1.0f, 1.0f};
  const auto out = Composed(picture, {1, 2}, {0, 0, 2, 1}, network, SampleType::kU8);
  EXPECT_THAT(out, ::testing::ElementsAre(99, 100, 0, 255, 0, 255));
  const auto floats = Composed(picture, {1, 2}, {0, 0, 2, 1}, network, SampleType::kF32);
  EXPECT_EQ(At<float>(floats, 2), 0.0f);
  EXPECT_EQ(At<float>(floats, 3), 1.0f);
}

TEST(ComposeTile, GreyIsTheMean) {
  const Picture grey = FromSamples<uint16_t>({1, 1}, 1, SampleType::kU16, {7});
  const std::vector<float> network = {Network(1000, 65535), Network(2000, 65535),
                                      Network(6000, 65535)};
  const auto out = Composed(grey, {1, 1}, {0, 0, 1, 1}, network, SampleType::kU16);
  ASSERT_EQ(out.size(), 2);
  EXPECT_EQ(At<uint16_t>(out, 0), 3000);
}

TEST(ComposeTile, SixteenBitRampKeepsItsLevels) {
  const Picture grey = FromSamples<uint16_t>({1, 1}, 1, SampleType::kU16, {7});
  std::vector<float> network;
  for (int i = 0; i < 16384; ++i) network.insert(network.end(), 3, Network(i * 4, 65535));
  const auto out = Composed(grey, {1, 16384}, {0, 0, 16384, 1}, network, SampleType::kU16);
  std::set<uint16_t> levels;
  for (int i = 0; i < 16384; ++i) levels.insert(At<uint16_t>(out, i));
  EXPECT_EQ(levels.size(), 16384);
}

TEST(ComposeTile, DoesNotDependOnTheCut) {
  std::mt19937 random(1);
  for (const int channels : {1, 2, 3, 4}) {
    for (const SampleType type : {SampleType::kU8, SampleType::kU16, SampleType::kF32}) {
      const Grid size = {9, 11};
      std::vector<uint8_t> samples(size.width * size.height * channels);
      for (auto& s : samples) s = static_cast<uint8_t>(random());
      const Picture picture = FromSamples(size, channels, SampleType::kU8, samples);
      const Grid grid = {31, 47};
      std::vector<float> network(grid.width * grid.height * 3);
      std::uniform_real_distribution<float> value(-1.1f, 1.1f);
      for (float& v : network) v = value(random);
      const auto whole = Composed(picture, grid, {0, 0, 47, 31}, network, type);
      const int64_t pixel = channels * SampleBytes(type);
      for (const int64_t side : {1, 5, 16}) {
        for (int64_t y = 0; y < grid.height; y += side) {
          for (int64_t x = 0; x < grid.width; x += side) {
            const Region r = {x, y, std::min(side, grid.width - x),
                              std::min(side, grid.height - y)};
            std::vector<float> part;
            for (int64_t v = 0; v < r.height; ++v) {
              const float* row = &network[((y + v) * grid.width + x) * 3];
              part.insert(part.end(), row, row + r.width * 3);
            }
            const auto tile = Composed(picture, grid, r, part, type);
            for (int64_t v = 0; v < r.height; ++v)
              ASSERT_EQ(0,
                        std::memcmp(&tile[v * r.width * pixel],
                                    &whole[((y + v) * grid.width + x) * pixel], r.width * pixel));
          }
        }
      }
    }
  }
}

TEST(ComposeTile, LinearLightIsRestored) {
  Picture picture = FromSamples<float>({1, 1}, 3, SampleType::kF32, {0.5f, 0.5f, 0.5f});
  picture.linear = true;
  const double encoded = 1.055 * std::pow(0.18, 1 / 2.4) - 0.055;
  const std::vector<float> network = {Network(encoded, 1), Network(0.02, 1), 1.0f};
  const auto out = Composed(picture, {1, 1}, {0, 0, 1, 1}, network, SampleType::kF32);
  EXPECT_NEAR(At<float>(out, 0), 0.18, 1e-6);
  EXPECT_NEAR(At<float>(out, 1), 0.02 / 12.92, 1e-6);
  EXPECT_EQ(At<float>(out, 2), 1.0f);
}

// Lanczos-2 of a whole plane, written down again without tiles, rows or caches.
double Reference(const std::vector<double>& in, Grid size, Grid grid, int64_t x, int64_t y) {
  const auto kernel = [](double t) {
    if (t == 0) return 1.0;
    if (std::abs(t) >= 2) return 0.0;
    const double a = std::numbers::pi * t;
    return std::sin(a) / a * std::sin(a / 2) / (a / 2);
  };
  const double cx = (x + 0.5) * size.width / grid.width - 0.5;
  const double cy = (y + 0.5) * size.height / grid.height - 0.5;
  double sum = 0, weights = 0;
  for (int64_t v = static_cast<int64_t>(cy) - 4; v < cy + 4; ++v) {
    for (int64_t u = static_cast<int64_t>(cx) - 4; u < cx + 4; ++u) {
      const double w = kernel(cx - u) * kernel(cy - v);
      weights += w;
      sum += w * in[std::clamp<int64_t>(v, 0, size.height - 1) * size.width +
                    std::clamp<int64_t>(u, 0, size.width - 1)];
    }
  }
  return std::clamp(sum / weights, 0.0, 1.0);
}

TEST(ComposeTile, AlphaIsLanczosOnPixelCentres) {
  std::mt19937 random(2);
  for (const Grid size : {Grid{7, 9}, Grid{1, 1}, Grid{1, 12}, Grid{12, 1}}) {
    for (const double scale : {1.0, 1.001, 2.7, 4.0, 30.0}) {
      std::vector<uint16_t> samples;
      std::vector<double> alpha;
      for (int64_t i = 0; i < size.width * size.height; ++i) {
        samples.push_back(30000);
        samples.push_back(static_cast<uint16_t>(random()));
        alpha.push_back(samples.back() / 65535.0);
      }
      const Picture picture = FromSamples(size, 2, SampleType::kU16, samples);
      const Grid grid = {static_cast<int64_t>(std::round(size.height * scale)),
                         static_cast<int64_t>(std::round(size.width * scale))};
      const Region all = {0, 0, grid.width, grid.height};
      const std::vector<float> network(all.pixels() * 3, 0.0f);
      const auto out = Composed(picture, grid, all, network, SampleType::kU16);
      for (int64_t y = 0; y < grid.height; ++y)
        for (int64_t x = 0; x < grid.width; ++x)
          ASSERT_NEAR(At<uint16_t>(out, (y * grid.width + x) * 2 + 1),
                      Reference(alpha, size, grid, x, y) * 65535, 0.51)
              << scale << " at " << x << "," << y;
    }
  }
}

TEST(ComposeTile, OpaqueStaysOpaque) {
  const Picture picture =
      FromSamples<uint8_t>({1, 2}, 4, SampleType::kU8, {1, 2, 3, 255, 4, 5, 6, 255});
  const std::vector<float> network(5 * 3, 0.0f);
  const auto out = Composed(picture, {1, 5}, {0, 0, 5, 1}, network, SampleType::kU8);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(+At<uint8_t>(out, i * 4 + 3), 255);
  const auto floats = Composed(picture, {1, 5}, {0, 0, 5, 1}, network, SampleType::kF32);
  EXPECT_EQ(At<float>(floats, 3), 1.0f);
}

TEST(ComposeTile, RefusesSizesThatDoNotFit) {
  const Picture picture = FromSamples<uint8_t>({1, 1}, 3, SampleType::kU8, {1, 2, 3});
  std::vector<uint8_t> out(12);
  const std::vector<float> network(12);
  const Grid grid = {2, 2};
  const auto code = [&](Region region, size_t values, size_t bytes) {
    return ComposeTile(picture, grid, region, absl::MakeConstSpan(network).first(values),
                       SampleType::kU8, absl::MakeSpan(out).first(bytes))
        .code();
  };
  EXPECT_EQ(code({0, 0, 2, 2}, 12, 12), absl::StatusCode::kOk);
  EXPECT_EQ(code({1, 0, 2, 2}, 12, 12), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({-1, 0, 2, 2}, 12, 12), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({0, 0, 2, 2}, 9, 12), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({0, 0, 2, 2}, 12, 11), absl::StatusCode::kInvalidArgument);
}

// --- What the network sees of a picture with alpha.

TEST(ContinueColour, NothingInvisibleShows) {
  // A red disc with a soft edge on transparent green.
  constexpr int kSide = 64;
  std::vector<uint8_t> samples;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const double distance = std::hypot(x - 31.5, y - 31.5) - 20;
      const double alpha = std::clamp(0.5 - distance, 0.0, 1.0);
      const bool visible = alpha > 0;
      for (const int c :
           {visible ? 220 : 0, visible ? 30 : 255, visible ? 40 : 0, static_cast<int>(alpha * 255)})
        samples.push_back(static_cast<uint8_t>(c));
    }
  }
  const Picture picture = FromSamples({kSide, kSide}, 4, SampleType::kU8, samples);
  for (int i = 0; i < kSide * kSide; ++i) {
    ASSERT_NEAR(At<uint8_t>(picture.colour->samples, i * 3), 220, 1);
    ASSERT_NEAR(At<uint8_t>(picture.colour->samples, i * 3 + 1), 30, 1);
    ASSERT_NEAR(At<uint8_t>(picture.colour->samples, i * 3 + 2), 40, 1);
  }
}

TEST(ContinueColour, BarelyVisibleDoesNotTintItsNeighbours) {
  // Opaque red beside blue of 2 % alpha: the blue pixel at the edge is nearly all red.
  std::vector<uint16_t> samples;
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 8; ++x) {
      const bool red = x < 4;
      for (const int v : {red ? 65535 : 0, 0, red ? 0 : 65535, red ? 65535 : 1311})
        samples.push_back(static_cast<uint16_t>(v));
    }
  const Picture picture = FromSamples({4, 8}, 4, SampleType::kU16, samples);
  EXPECT_EQ(At<uint16_t>(picture.colour->samples, (8 + 3) * 3), 65535);
  EXPECT_GT(At<uint16_t>(picture.colour->samples, (8 + 4) * 3), 45000);
  EXPECT_EQ(At<uint16_t>(picture.colour->samples, (8 + 7) * 3 + 2), 65535);
}

TEST(ContinueColour, EvenTransparencyKeepsEveryDetail) {
  std::mt19937 random(3);
  std::vector<uint8_t> samples(33 * 17 * 4);
  for (auto& s : samples) s = static_cast<uint8_t>(random());
  for (size_t i = 3; i < samples.size(); i += 4) samples[i] = 90;
  const Picture picture = FromSamples({17, 33}, 4, SampleType::kU8, samples);
  for (int i = 0; i < 33 * 17; ++i)
    for (int c = 0; c < 3; ++c)
      ASSERT_EQ(+At<uint8_t>(picture.colour->samples, i * 3 + c), samples[i * 4 + c]);
}

TEST(ContinueColour, NothingVisibleAtAll) {
  const Picture picture = FromSamples<uint8_t>({1, 2}, 2, SampleType::kU8, {77, 0, 99, 0});
  EXPECT_EQ(+At<uint8_t>(picture.colour->samples, 0), 77);
  EXPECT_EQ(+At<uint8_t>(picture.colour->samples, 3), 99);
}

}  // namespace
}  // namespace hiif
