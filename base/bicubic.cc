#include "base/bicubic.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace hiif {
namespace {

constexpr int kFractionBits = 22;
constexpr int64_t kChannels = 3;

double Keys(double x) {
  x = std::abs(x);
  if (x < 1.0) return (1.5 * x - 2.5) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5;
  return 0.0;
}

// For every output sample of an axis: the first input sample it reads and the weights from there.
struct Taps {
  int64_t width = 0;  // weights kept for each output sample; those past its count are 0
  std::vector<int64_t> first;
  std::vector<int64_t> count;
  std::vector<int32_t> weights;
};

Taps MakeTaps(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = 2.0 * stretch;
  Taps taps;
  taps.width = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.first.resize(out);
  taps.count.resize(out);
  taps.weights.assign(out * taps.width, 0);
  std::vector<double> weights(taps.width);
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    // Truncation towards zero, as in Pillow.
    // NOLINTBEGIN(bugprone-incorrect-roundings)
    const int64_t begin = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const int64_t end = std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), in);
    // NOLINTEND(bugprone-incorrect-roundings)
    double sum = 0.0;
    for (int64_t k = begin; k < end; ++k) {
      weights[k - begin] = Keys((static_cast<double>(k) - centre + 0.5) * (1.0 / stretch));
      sum += weights[k - begin];
    }
    taps.first[i] = begin;
    taps.count[i] = end - begin;
    for (int64_t k = 0; k < end - begin; ++k) {
      const double weight = (sum != 0.0 ? weights[k] / sum : weights[k]) * (1 << kFractionBits);
      taps.weights[i * taps.width + k] =
          static_cast<int32_t>(weight < 0.0 ? weight - 0.5 : weight + 0.5);
    }
  }
  return taps;
}

uint8_t ToByte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

void ResizeRows(const uint8_t* in, int64_t height, int64_t in_width, const Taps& taps,
                int64_t out_width, uint8_t* out) {
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < out_width; ++x) {
      const uint8_t* pixel = in + (y * in_width + taps.first[x]) * kChannels;
      const int32_t* weight = &taps.weights[x * taps.width];
      int32_t sum[kChannels] = {1 << (kFractionBits - 1), 1 << (kFractionBits - 1),
                                1 << (kFractionBits - 1)};
      for (int64_t k = 0; k < taps.count[x]; ++k, pixel += kChannels) {
        for (int64_t c = 0; c < kChannels; ++c) sum[c] += pixel[c] * weight[k];
      }
      for (int64_t c = 0; c < kChannels; ++c) *out++ = ToByte(sum[c]);
    }
  }
}

void ResizeColumns(const uint8_t* in, int64_t width, const Taps& taps, int64_t out_height,
                   uint8_t* out) {
  const int64_t row = width * kChannels;
  std::vector<int32_t> sums(row);
  for (int64_t y = 0; y < out_height; ++y) {
    std::fill(sums.begin(), sums.end(), 1 << (kFractionBits - 1));
    for (int64_t k = 0; k < taps.count[y]; ++k) {
      const uint8_t* source = in + (taps.first[y] + k) * row;
      const int32_t weight = taps.weights[y * taps.width + k];
      for (int64_t i = 0; i < row; ++i) sums[i] += source[i] * weight;
    }
    for (int64_t i = 0; i < row; ++i) *out++ = ToByte(sums[i]);
  }
}

}  // namespace

RgbImage ResizeBicubic(const RgbImage& image, Grid size) {
  assert(image.type == SampleType::kU8);
  assert(image.height > 0 && image.width > 0 && size.height > 0 && size.width > 0);
  RgbImage out{SampleType::kU8, image.height, size.width, {}};
  if (size.width == image.width) {
    out.samples = image.samples;
  } else {
    out.samples.resize(image.height * size.width * kChannels);
    ResizeRows(image.samples.data(), image.height, image.width, MakeTaps(image.width, size.width),
               size.width, out.samples.data());
  }
  if (size.height == image.height) return out;
  std::vector<uint8_t> columns(size.height * size.width * kChannels);
  ResizeColumns(out.samples.data(), size.width, MakeTaps(image.height, size.height), size.height,
                columns.data());
  out.height = size.height;
  out.samples = std::move(columns);
  return out;
}

}  // namespace hiif
