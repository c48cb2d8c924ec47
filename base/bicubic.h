// The bicubic resizing that super-resolution training and evaluation mean by "bicubic".
#ifndef BASE_BICUBIC_H_
#define BASE_BICUBIC_H_

#include "base/image.h"

namespace hiif {

// Resizes an 8-bit image as Pillow's Image.resize(size, BICUBIC) does, to the bit: Keys' kernel
// with a = -1/2, stretched when shrinking (antialiasing); coefficients rounded to 22 fractional
// bits; rows first, then columns, each clamped to [0,255] and rounded to 8 bits; an axis whose size
// stays is not touched. (Pillow from 13 on begins with the columns where that is less work; then
// values that were clamped or rounded in between may differ.)
//
// Requires an image of SampleType::kU8 and positive sizes on both sides.
RgbImage ResizeBicubic(const RgbImage& image, Grid size);

}  // namespace hiif

#endif  // BASE_BICUBIC_H_
