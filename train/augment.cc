#include "train/augment.h"

#include <algorithm>
#include <vector>

namespace hiif::train {

RgbImage CropSquare(const uint8_t* pixels, int64_t width, int64_t row, int64_t column, int64_t side,
                    const Augmentation& augmentation) {
  RgbImage out{SampleType::kU8, side, side, std::vector<uint8_t>(side * side * 3)};
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      // (y, x) of the result comes from (v, u) of the crop.
      int64_t v = augmentation.transpose ? x : y;
      int64_t u = augmentation.transpose ? y : x;
      if (augmentation.flip_rows) v = side - 1 - v;
      if (augmentation.flip_columns) u = side - 1 - u;
      std::copy_n(&pixels[((row + v) * width + column + u) * 3], 3,
                  &out.samples[(y * side + x) * 3]);
    }
  }
  return out;
}

}  // namespace hiif::train
