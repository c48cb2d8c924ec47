#include "imaging/tile.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "absl/strings/str_format.h"
#include "imaging/alpha.h"
#include "imaging/colour.h"

namespace hiif {
namespace {

// The network's range to [0,1].
inline float Unit(float v) { return std::min(std::max(v * 0.5f + 0.5f, 0.0f), 1.0f); }

// [0,1] to a sample, half up. Not lround, which would not become vectors: the one float that adding
// a half takes across is the greatest below a half.
// NOLINTBEGIN(bugprone-incorrect-roundings)
template <typename T>
inline T Sample(float unit) {
  if constexpr (std::is_same_v<T, uint8_t>)
    return static_cast<uint8_t>(static_cast<int>(unit * 255.0f + 0.5f));
  if constexpr (std::is_same_v<T, uint16_t>)
    return static_cast<uint16_t>(static_cast<int>(unit * 65535.0f + 0.5f));
  if constexpr (std::is_same_v<T, float>) return unit;
}
// NOLINTEND(bugprone-incorrect-roundings)

// Colour samples, `stride` apart from pixel to pixel, leaving room for alpha. Simple loops that the
// compiler turns into vectors: this runs over every pixel that is made.
template <typename T, bool kLinear>
void Colour(const float* in, int64_t pixels, bool grey, int stride, T* out) {
  const auto sample = [](float v) {
    const float unit = Unit(v);
    return Sample<T>(kLinear ? LinearizeSrgb(unit) : unit);
  };
  if (grey) {
    for (int64_t i = 0; i < pixels; ++i)
      out[i * stride] = sample((in[3 * i] + in[3 * i + 1] + in[3 * i + 2]) * (1.0f / 3.0f));
  } else if (stride == 3) {
    for (int64_t i = 0; i < pixels * 3; ++i) out[i] = sample(in[i]);
  } else {
    for (int64_t i = 0; i < pixels; ++i)
      for (int c = 0; c < 3; ++c) out[i * 4 + c] = sample(in[3 * i + c]);
  }
}

template <typename T>
void Alpha(const Picture& picture, Grid grid, Region region, int stride, T* out) {
  out += stride - 1;
  if (picture.alpha.empty()) {
    for (int64_t i = 0; i < region.pixels(); ++i) out[i * stride] = Sample<T>(1.0f);
    return;
  }
  std::vector<float> alpha(region.pixels());
  ResampleAlpha(picture.alpha, picture.size(), grid, region, absl::MakeSpan(alpha));
  for (int64_t i = 0; i < region.pixels(); ++i) out[i * stride] = Sample<T>(alpha[i]);
}

template <typename T>
void Compose(const Picture& picture, Grid grid, Region region, const float* network, T* out) {
  const int channels = picture.channels;
  if (picture.linear)
    Colour<T, true>(network, region.pixels(), channels < 3, channels, out);
  else
    Colour<T, false>(network, region.pixels(), channels < 3, channels, out);
  if (picture.has_alpha()) Alpha(picture, grid, region, channels, out);
}

}  // namespace

int64_t TileBytes(const Picture& picture, SampleType type, int64_t pixels) {
  return pixels * picture.channels * SampleBytes(type);
}

absl::Status ComposeTile(const Picture& picture, Grid grid, Region region,
                         absl::Span<const float> network, SampleType type,
                         absl::Span<uint8_t> out) {
  const bool inside = region.x >= 0 && region.y >= 0 && region.width >= 1 && region.height >= 1 &&
                      region.width <= grid.width - region.x &&
                      region.height <= grid.height - region.y;
  if (!inside || network.size() != region.pixels() * 3 ||
      out.size() != TileBytes(picture, type, region.pixels()))
    return absl::InvalidArgumentError(absl::StrFormat(
        "a tile of %d x %d pixels at %d,%d of %d x %d, with %d values for %d bytes", region.width,
        region.height, region.x, region.y, grid.width, grid.height, network.size(), out.size()));
  switch (type) {
    case SampleType::kU8:
      Compose(picture, grid, region, network.data(), out.data());
      break;
    case SampleType::kU16:
      Compose(picture, grid, region, network.data(), reinterpret_cast<uint16_t*>(out.data()));
      break;
    case SampleType::kF32:
      Compose(picture, grid, region, network.data(), reinterpret_cast<float*>(out.data()));
      break;
  }
  return absl::OkStatus();
}

}  // namespace hiif
