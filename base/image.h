// Pixels as they travel between imaging and model, and rectangles of them.
#ifndef BASE_IMAGE_H_
#define BASE_IMAGE_H_

#include <cstdint>
#include <limits>
#include <vector>

namespace hiif {

enum class SampleType { kU8, kU16, kF32 };

// Bytes of one sample: 1, 2 or 4.
constexpr int SampleBytes(SampleType type) {
  return type == SampleType::kU8 ? 1 : type == SampleType::kU16 ? 2 : 4;
}

// Interleaved RGB, rows without padding, native byte order. u8 and u16 stand for value / 255 and
// value / 65535; f32 lies in [0,1].
struct RgbImage {
  SampleType type = SampleType::kU8;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint8_t> samples;  // height * width * 3 * SampleBytes(type)
};

// Output size H x W in pixels; the scale is H/h by W/w and need not be equal on both axes, nor
// rational.
struct Grid {
  int64_t height = 0;
  int64_t width = 0;
  bool operator==(const Grid&) const = default;
};

// Of a side, in pixels: what the fields of the requests can say.
constexpr int64_t kLargestSide = std::numeric_limits<int32_t>::max();

// A rectangle of the output grid.
struct Region {
  int64_t x = 0;
  int64_t y = 0;
  int64_t width = 0;
  int64_t height = 0;
  int64_t pixels() const { return width * height; }
  bool operator==(const Region&) const = default;
};

// The part `region` of an image, which holds it.
RgbImage Crop(const RgbImage& image, const Region& region);

}  // namespace hiif

#endif  // BASE_IMAGE_H_
