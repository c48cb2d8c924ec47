#include "model/upscaler/output_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace hiif {
namespace {

struct FakeFeatures : Features {
  int64_t height() const override { return 3; }
  int64_t width() const override { return 4; }
  int64_t bytes() const override { return 1; }
};

struct FakeContext : Context {
  Grid grid() const override { return {6, 8}; }
  int64_t bytes() const override { return 1; }
};

struct FakeEncoding : Encoding {
  int blocks() const override { return 1; }
  absl::Status EncodeBlock(int, int, const Heartbeat&) override { return absl::OkStatus(); }
  absl::StatusOr<std::shared_ptr<const Features>> Finish() override {
    return std::make_shared<FakeFeatures>();
  }
};

// Every pixel of the output has one colour.
struct Painter : Upscaler {
  explicit Painter(std::vector<float> colour) : colour(std::move(colour)) {}
  const ModelConfig& config() const override { return config_; }
  std::string backend() const override { return "painter"; }
  std::string identity() const override { return "painter"; }
  std::string precision() const override { return "float32"; }
  int64_t weights_bytes() const override { return 0; }
  WorkCost Cost(Grid, Grid, const Region&, const ContextOptions&) const override { return {}; }
  MemoryFootprint Footprint(Grid, Grid, const Region&, const ContextOptions&) const override {
    return {};
  }
  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage>) const override {
    return std::make_unique<FakeEncoding>();
  }
  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(const Features&, Grid,
                                                             const ContextOptions&) const override {
    return std::make_shared<FakeContext>();
  }
  absl::Status Render(absl::Span<const RenderTile> tiles) const override {
    for (const RenderTile& tile : tiles) Paint(tile.out);
    return absl::OkStatus();
  }
  absl::Status Query(const Features&, const Context&, Cell, absl::Span<const Coordinate>,
                     absl::Span<float> out) const override {
    Paint(out);
    return absl::OkStatus();
  }
  void Paint(absl::Span<float> out) const {
    for (size_t i = 0; i < out.size(); ++i) out[i] = colour[i % 3];
  }
  std::vector<float> colour;
  ModelConfig config_;
};

// 3 x 4 pixels of grey; the last column is of `last`.
std::shared_ptr<const RgbImage> Image(std::vector<uint8_t> last) {
  auto image = std::make_shared<RgbImage>();
  image->height = 3;
  image->width = 4;
  for (int i = 0; i < 12; ++i) {
    for (int c = 0; c < 3; ++c) {
      image->samples.push_back(i % 4 == 3 ? last[c] : static_cast<uint8_t>(20 * i));
    }
  }
  return image;
}

std::vector<float> Rendered(const OutputLimit& limit, const std::shared_ptr<const RgbImage>& image,
                            Region region) {
  const auto features = limit.Encode(image);
  const auto context = limit.MakeContext(**features, {6, 8}, {});
  std::vector<float> out(region.pixels() * 3);
  const RenderTile tile{features->get(), context->get(), region, absl::MakeSpan(out)};
  EXPECT_TRUE(limit.Render({&tile, 1}).ok());
  return out;
}

TEST(OutputLimit, GreyStaysGreyAndAsBright) {
  const OutputLimit limit(std::make_unique<Painter>(std::vector<float>{0.5f, -0.3f, 0.1f}),
                          {0.25f, {}});
  const auto out = Rendered(limit, Image({9, 9, 9}), {0, 0, 8, 6});
  for (size_t i = 0; i < out.size(); i += 3) {
    EXPECT_EQ(out[i], out[i + 1]);
    EXPECT_EQ(out[i], out[i + 2]);
    EXPECT_NEAR(out[i], 0.299 * 0.5 - 0.587 * 0.3 + 0.114 * 0.1, 1e-6);
  }
}

TEST(OutputLimit, ColoursNearTheImagesAreLeftToTheBit) {
  // Up to R-G = 100 levels beside the last column, and a quarter more.
  const auto image = Image({200, 100, 100});
  const float most = 2 * 100.0f / 255 * 1.25f;
  for (const float colour : {0.5f * most, 0.999f * most, 1.001f * most}) {
    const OutputLimit limit(std::make_unique<Painter>(std::vector<float>{colour, 0, 0}),
                            {0.25f, {}});
    const auto out = Rendered(limit, image, {7, 0, 1, 6});
    for (size_t i = 0; i < out.size(); i += 3) {
      EXPECT_EQ(out[i] == colour && out[i + 1] == 0 && out[i + 2] == 0, colour <= most);
      EXPECT_NEAR(out[i] - out[i + 1], std::min(colour, most), 1e-6);
    }
    // Columns 0 to 2 are those whose 4 x 4 pixels do not reach the last.
    const auto far = Rendered(limit, image, {0, 0, 3, 6});
    for (size_t i = 0; i < far.size(); i += 3) EXPECT_EQ(far[i], far[i + 1]);
  }
}

TEST(OutputLimit, TilesAndQueriesAgreeToTheBit) {
  const OutputLimit limit(std::make_unique<Painter>(std::vector<float>{0.9f, 0, -0.2f}),
                          {0.1f, 0.1f});
  const auto image = Image({90, 10, 10});
  const auto whole = Rendered(limit, image, {0, 0, 8, 6});
  const auto features = limit.Encode(image);
  const auto context = limit.MakeContext(**features, {6, 8}, {});
  for (int y = 0; y < 6; ++y) {
    for (int x = 0; x < 8; ++x) {
      const std::vector<float> wanted(&whole[(y * 8 + x) * 3], &whole[(y * 8 + x) * 3] + 3);
      EXPECT_EQ(Rendered(limit, image, {x, y, 1, 1}), wanted);
      const Coordinate centre{(2 * y + 1) / 6.0 - 1, (2 * x + 1) / 8.0 - 1};
      std::vector<float> out(3);
      ASSERT_TRUE(
          limit.Query(**features, **context, {2 / 6.0, 2 / 8.0}, {&centre, 1}, absl::MakeSpan(out))
              .ok());
      EXPECT_EQ(out, wanted);
    }
  }
}

// 3 x 4 pixels, all columns of `dark` but the last, of `light`; `between` of the pixels are of 100.
std::shared_ptr<const RgbImage> TwoTones(uint8_t dark, uint8_t light, int between = 0) {
  auto image = std::make_shared<RgbImage>();
  image->height = 3;
  image->width = 4;
  for (int i = 0; i < 12; ++i) {
    const int column = i % 4;
    const bool soft = column == 2 && i / 4 < between;
    image->samples.insert(image->samples.end(), 3, soft ? 100 : column == 3 ? light : dark);
  }
  return image;
}

float Level(float value) { return (value + 1) / 2 * 255; }

TEST(OutputLimit, TwoTonesOvershootByTheSlackOfTheirStep) {
  for (const float value : {-0.9f, 0.9f}) {
    const OutputLimit limit(std::make_unique<Painter>(std::vector<float>(3, value)), {{}, 0.125f});
    const auto image = TwoTones(64, 192);
    // Columns 0 to 2 are those whose 4 x 4 pixels are dark alone: there is no step.
    for (const float out : Rendered(limit, image, {0, 0, 3, 6})) EXPECT_NEAR(Level(out), 64, 1e-4);
    for (const float out : Rendered(limit, image, {7, 0, 1, 6})) {
      EXPECT_NEAR(Level(out), value < 0 ? 64 - 16 : 192 + 16, 1e-4);
    }
  }
}

TEST(OutputLimit, WhatIsNoDrawingIsLeftToTheBit) {
  const OutputLimit limit(std::make_unique<Painter>(std::vector<float>{0.9f, 0.9f, 0.9f}),
                          {{}, 0.125f});
  // At the last column but one the 16 pixels are columns 1 to 4, the middle row twice at the most:
  // the more of them lie between the tones, the more room there is.
  float last = 0;
  for (int between = 0; between <= 3; ++between) {
    const float out = Rendered(limit, TwoTones(64, 128, between), {6, 3, 1, 1})[0];
    EXPECT_GE(out, last);
    last = out;
  }
  EXPECT_NEAR(Level(last), 128 + (0.125 + 0.4) * 64, 1e-4);  // 4 of the 16, the lowest row twice
  // The gradient of Image() has no two tones anywhere but where it repeats at the border.
  EXPECT_EQ(Rendered(limit, Image({9, 9, 9}), {3, 2, 1, 1})[0], 0.9f);
}

TEST(OutputLimit, WhatIsNotANumberStays) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const OutputLimit limit(std::make_unique<Painter>(std::vector<float>{nan, nan, nan}),
                          {0.25f, 0.1f});
  for (const float out : Rendered(limit, TwoTones(64, 192), {0, 0, 8, 6})) {
    EXPECT_TRUE(std::isnan(out));
  }
}

}  // namespace
}  // namespace hiif
