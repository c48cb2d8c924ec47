#include "base/image.h"

namespace hiif {

RgbImage Crop(const RgbImage& image, const Region& region) {
  const int64_t pixel = 3 * SampleBytes(image.type);
  RgbImage out{image.type, region.height, region.width, {}};
  out.samples.reserve(region.pixels() * pixel);
  for (int64_t y = region.y; y < region.y + region.height; ++y) {
    const auto row = image.samples.begin() + (y * image.width + region.x) * pixel;
    out.samples.insert(out.samples.end(), row, row + region.width * pixel);
  }
  return out;
}

}  // namespace hiif
