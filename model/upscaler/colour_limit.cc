#include "model/upscaler/colour_limit.h"

#include <algorithm>
#include <array>
#include <cmath>
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

class Limiter {
 public:
  Limiter(const RgbImage& image, float slack) : image_(image), slack_(slack) {}

  // rgb: of a position after the centre of pixel (row, column) and before the next.
  void Limit(int64_t row, int64_t column, float* rgb) {
    if (row != row_ || column != column_) MoveTo(row, column);
    std::array<float, 2> colour = {rgb[0] - rgb[1], rgb[2] - rgb[1]};
    const std::array<float, 2> before = colour;
    for (int c = 0; c < 2; ++c) colour[c] = std::clamp(colour[c], low_[c], high_[c]);
    if (colour == before) return;
    const float luma = 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
    rgb[1] = luma - 0.299f * colour[0] - 0.114f * colour[1];
    rgb[0] = rgb[1] + colour[0];
    rgb[2] = rgb[1] + colour[1];
  }

 private:
  void MoveTo(int64_t row, int64_t column) {
    row_ = row;
    column_ = column;
    for (int64_t y = row - 1; y <= row + 2; ++y) {
      for (int64_t x = column - 1; x <= column + 2; ++x) {
        const int64_t pixel = (std::clamp<int64_t>(y, 0, image_.height - 1) * image_.width +
                               std::clamp<int64_t>(x, 0, image_.width - 1)) *
                              3;
        const float green = Normalised(image_, pixel + 1);
        for (int c = 0; c < 2; ++c) {
          const float colour = Normalised(image_, pixel + 2 * c) - green;
          const bool first = y == row - 1 && x == column - 1;
          low_[c] = first ? colour : std::min(low_[c], colour);
          high_[c] = first ? colour : std::max(high_[c], colour);
        }
      }
    }
    for (int c = 0; c < 2; ++c) {
      const float room = slack_ * (high_[c] - low_[c]);
      low_[c] -= room;
      high_[c] += room;
    }
  }

  const RgbImage& image_;
  const float slack_;
  int64_t row_ = -2;  // of no position
  int64_t column_ = -2;
  std::array<float, 2> low_{};
  std::array<float, 2> high_{};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Encoding>> ColourLimit::StartEncoding(
    std::shared_ptr<const RgbImage> image) const {
  HIIF_ASSIGN_OR_RETURN(auto encoding, limited_->StartEncoding(image));
  return std::make_unique<LimitedEncoding>(std::move(image), std::move(encoding));
}

absl::StatusOr<std::shared_ptr<const Context>> ColourLimit::MakeContext(
    const Features& features, Grid grid, const ContextOptions& options) const {
  return limited_->MakeContext(*Limited(features).features, grid, options);
}

absl::Status ColourLimit::Render(absl::Span<const RenderTile> tiles) const {
  std::vector<RenderTile> inner(tiles.begin(), tiles.end());
  for (RenderTile& tile : inner) {
    if (tile.features != nullptr) tile.features = Limited(*tile.features).features.get();
  }
  HIIF_RETURN_IF_ERROR(limited_->Render(inner));
  for (const RenderTile& tile : tiles) {
    const RgbImage& image = *Limited(*tile.features).image;
    const Grid grid = tile.context->grid();
    Limiter limiter(image, slack_);
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

absl::Status ColourLimit::Query(const Features& features, const Context& context, Cell cell,
                                absl::Span<const Coordinate> coordinates,
                                absl::Span<float> out) const {
  HIIF_RETURN_IF_ERROR(
      limited_->Query(*Limited(features).features, context, cell, coordinates, out));
  const RgbImage& image = *Limited(features).image;
  Limiter limiter(image, slack_);
  for (size_t i = 0; i < coordinates.size(); ++i) {
    limiter.Limit(Before(coordinates[i].row, image.height),
                  Before(coordinates[i].column, image.width), &out[i * 3]);
  }
  return absl::OkStatus();
}

std::vector<float> ColourLimit::FeaturePlanes(const Features& features) const {
  return limited_->FeaturePlanes(*Limited(features).features);
}

std::vector<float> ColourLimit::JoinedPlanes(const Features& features) const {
  return limited_->JoinedPlanes(*Limited(features).features);
}

}  // namespace hiif
