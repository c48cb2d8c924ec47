#include "model/upscaler/output_limit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/status_macros.h"

namespace hiif {
namespace {

struct LimitedFeatures : Features {
  int64_t height() const override { return features->height(); }
  int64_t width() const override { return features->width(); }
  int64_t bytes() const override { return features->bytes(); }  // which hold the image too
  std::shared_ptr<const RgbImage> image;
  std::shared_ptr<const Features> features;
};

const LimitedFeatures& Limited(const Features& features) {
  return static_cast<const LimitedFeatures&>(features);
}

class LimitedEncoding : public Encoding {
 public:
  LimitedEncoding(std::shared_ptr<const RgbImage> image, std::unique_ptr<Encoding> encoding)
      : image_(std::move(image)), encoding_(std::move(encoding)) {}

  int blocks() const override { return encoding_->blocks(); }
  absl::Status EncodeBlock(int block, int threads, const Heartbeat& beat) override {
    return encoding_->EncodeBlock(block, threads, beat);
  }
  absl::StatusOr<std::shared_ptr<const Features>> Finish() override {
    auto features = std::make_shared<LimitedFeatures>();
    features->image = image_;
    HIIF_ASSIGN_OR_RETURN(features->features, encoding_->Finish());
    return features;
  }

 private:
  const std::shared_ptr<const RgbImage> image_;
  const std::unique_ptr<Encoding> encoding_;
};

// The last low-resolution pixel at or before the centre of pixel i of n; may be -1.
int64_t Before(int64_t i, int64_t n, int64_t low) { return ((2 * i + 1) * low + n) / (2 * n) - 1; }
// The same for a position in [-1,1], which is that of a pixel but for rounding.
int64_t Before(double position, int64_t low) {
  constexpr double kRounding = 1e-9;
  const double pixel = ((position + 1) * static_cast<double>(low) - 1) / 2;
  return std::clamp<int64_t>(static_cast<int64_t>(std::floor(pixel + kRounding)), -1, low - 1);
}

// Low and high of the values of the 16 pixels.
struct Range {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  float width() const { return high - low; }
  void Add(float value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void Widen(float room) {
    low -= room;
    high += room;
  }
};

using Rgb = std::array<float, 3>;

// What a channel may be, by the tones that the 16 pixels have.
Range ToneRange(const std::array<Rgb, 16>& around, int channel, float slack) {
  constexpr float kEnd = 0.021f;  // no fraction of small whole numbers: of two levels none is on it
  constexpr int kTwoTones = 13;
  constexpr int kPhotograph = 8;
  constexpr float kEach = 0.4f;
  Range range;
  for (const Rgb& rgb : around) range.Add(rgb[channel]);
  const float end = kEnd * range.width();
  int ends = 0;
  for (const Rgb& rgb : around) {
    ends += std::min(rgb[channel] - range.low, range.high - rgb[channel]) <= end ? 1 : 0;
  }
  const float room = ends <= kPhotograph
                         ? std::numeric_limits<float>::infinity()
                         : slack + kEach * static_cast<float>(std::max(kTwoTones - ends, 0));
  range.Widen(range.width() == 0 ? 0 : room * range.width());
  return range;
}

class Limiter {
 public:
  Limiter(const RgbImage& image, const OutputLimits& limits) : image_(image), limits_(limits) {}

  // rgb: of a position after the centre of pixel (row, column) and before the next.
  void Limit(int64_t row, int64_t column, float* rgb) {
    if (row != row_ || column != column_) MoveTo(row, column);
    if (limits_.tone_slack) {
      for (int c = 0; c < 3; ++c) rgb[c] = std::clamp(rgb[c], tones_[c].low, tones_[c].high);
    }
    if (limits_.colour_slack) LimitColour(rgb);
  }

 private:
  void LimitColour(float* rgb) const {
    std::array<float, 2> colour = {rgb[0] - rgb[1], rgb[2] - rgb[1]};
    const std::array<float, 2> before = colour;
    for (int c = 0; c < 2; ++c)
      colour[c] = std::clamp(colour[c], colours_[c].low, colours_[c].high);
    if (colour == before) return;
    const float luma = 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
    rgb[1] = luma - 0.299f * colour[0] - 0.114f * colour[1];
    rgb[0] = rgb[1] + colour[0];
    rgb[2] = rgb[1] + colour[1];
  }

  void MoveTo(int64_t row, int64_t column) {
    row_ = row;
    column_ = column;
    std::array<Rgb, 16> around;
    auto out = around.begin();
    for (int64_t y = row - 1; y <= row + 2; ++y) {
      for (int64_t x = column - 1; x <= column + 2; ++x, ++out) {
        const int64_t pixel = (std::clamp<int64_t>(y, 0, image_.height - 1) * image_.width +
                               std::clamp<int64_t>(x, 0, image_.width - 1)) *
                              3;
        for (int c = 0; c < 3; ++c) (*out)[c] = Normalised(image_, pixel + c);
      }
    }
    if (limits_.tone_slack) {
      for (int c = 0; c < 3; ++c) tones_[c] = ToneRange(around, c, *limits_.tone_slack);
    }
    if (limits_.colour_slack) {
      colours_ = {};
      for (const Rgb& rgb : around) {
        for (int c = 0; c < 2; ++c) colours_[c].Add(rgb[2 * c] - rgb[1]);
      }
      for (Range& range : colours_) range.Widen(*limits_.colour_slack * range.width());
    }
  }

  const RgbImage& image_;
  const OutputLimits limits_;
  int64_t row_ = -2;  // of no position
  int64_t column_ = -2;
  std::array<Range, 3> tones_;
  std::array<Range, 2> colours_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Encoding>> OutputLimit::StartEncoding(
    std::shared_ptr<const RgbImage> image) const {
  HIIF_ASSIGN_OR_RETURN(auto encoding, limited_->StartEncoding(image));
  return std::make_unique<LimitedEncoding>(std::move(image), std::move(encoding));
}

absl::StatusOr<std::shared_ptr<const Context>> OutputLimit::MakeContext(
    const Features& features, Grid grid, const ContextOptions& options) const {
  return limited_->MakeContext(*Limited(features).features, grid, options);
}

absl::Status OutputLimit::Render(absl::Span<const RenderTile> tiles) const {
  std::vector<RenderTile> inner(tiles.begin(), tiles.end());
  for (RenderTile& tile : inner) {
    if (tile.features != nullptr) tile.features = Limited(*tile.features).features.get();
  }
  HIIF_RETURN_IF_ERROR(limited_->Render(inner));
  for (const RenderTile& tile : tiles) {
    const RgbImage& image = *Limited(*tile.features).image;
    const Grid grid = tile.context->grid();
    Limiter limiter(image, limits_);
    float* rgb = tile.out.data();
    for (int64_t y = tile.region.y; y < tile.region.y + tile.region.height; ++y) {
      const int64_t row = Before(y, grid.height, image.height);
      for (int64_t x = tile.region.x; x < tile.region.x + tile.region.width; ++x, rgb += 3) {
        limiter.Limit(row, Before(x, grid.width, image.width), rgb);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status OutputLimit::Query(const Features& features, const Context& context, Cell cell,
                                absl::Span<const Coordinate> coordinates,
                                absl::Span<float> out) const {
  HIIF_RETURN_IF_ERROR(
      limited_->Query(*Limited(features).features, context, cell, coordinates, out));
  const RgbImage& image = *Limited(features).image;
  Limiter limiter(image, limits_);
  for (size_t i = 0; i < coordinates.size(); ++i) {
    limiter.Limit(Before(coordinates[i].row, image.height),
                  Before(coordinates[i].column, image.width), &out[i * 3]);
  }
  return absl::OkStatus();
}

std::vector<float> OutputLimit::FeaturePlanes(const Features& features) const {
  return limited_->FeaturePlanes(*Limited(features).features);
}

std::vector<float> OutputLimit::JoinedPlanes(const Features& features) const {
  return limited_->JoinedPlanes(*Limited(features).features);
}

}  // namespace hiif
