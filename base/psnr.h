// The figure that super-resolution is judged by (model.md 6).
#ifndef BASE_PSNR_H_
#define BASE_PSNR_H_

#include <cstdint>

#include "absl/types/span.h"
#include "base/image.h"

namespace hiif {

enum class PsnrChannels {
  kLuma,  // Y of the difference, (65.738 R + 129.057 G + 25.064 B) / 256: Set5, Set14, ...
  kRgb,   // all three: DIV2K
};

// PSNR in dB of `image` (interleaved RGB in [0,1], not rounded, original.height * original.width *
// 3 values) against an 8-bit original, `shave` pixels left out at each border. Infinity where they
// are equal. Requires that shaving leaves a pixel.
double Psnr(absl::Span<const float> image, const RgbImage& original, int64_t shave,
            PsnrChannels channels);

}  // namespace hiif

#endif  // BASE_PSNR_H_
