// The eight ways in which a photograph can lie.
#ifndef TRAIN_AUGMENT_H_
#define TRAIN_AUGMENT_H_

#include <cstdint>

#include "base/image.h"
#include "train/packed_dataset.h"
#include "train/random.h"

namespace hiif::train {

struct Augmentation {  // transposition after the flips
  bool flip_rows = false;
  bool flip_columns = false;
  bool transpose = false;

  static Augmentation Draw(Random& random) {
    const uint64_t bits = random.Next();
    return {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
  }
};

// A square of interleaved RGB in rows of `width` pixels, flipped and transposed as asked.
RgbImage CropSquare(const uint8_t* pixels, int64_t width, int64_t row, int64_t column, int64_t side,
                    const Augmentation& augmentation);
inline RgbImage CropSquare(const PackedImage& image, int64_t row, int64_t column, int64_t side,
                           const Augmentation& augmentation) {
  return CropSquare(image.pixels.data(), image.width, row, column, side, augmentation);
}

}  // namespace hiif::train

#endif  // TRAIN_AUGMENT_H_
