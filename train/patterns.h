// Drawn pictures: dither, screentone, text, thin lines, noise, gradients. Photographs hold little
// of it, and a network that never saw a checkerboard may do anything with one.
#ifndef TRAIN_PATTERNS_H_
#define TRAIN_PATTERNS_H_

#include <cstdint>

#include "base/image.h"
#include "train/random.h"

namespace hiif::train {

struct Pattern {
  RgbImage patch;  // low resolution, `side` x `side`, 8 bits
  // What it was made smaller from, kDetail times as large. Empty where the pattern is one of
  // low-resolution pixels (dither, checkerboards, noise): what it should look like is then its
  // bilinear enlargement, which keeps the mean and overshoots nowhere. (Bicubic's negative lobes,
  // cut off at black, make dots on black lighter by 5 levels.)
  RgbImage detail;
};
inline constexpr int64_t kDetail = 4;

// Half of the patterns are grey, most of the others two colours.
Pattern DrawPattern(int64_t side, Random& random);

// What `pattern` should look like enlarged to size x size.
RgbImage EnlargedPattern(const Pattern& pattern, int64_t size);

}  // namespace hiif::train

#endif  // TRAIN_PATTERNS_H_
