// Structural similarity (Wang et al., 2004) as the super-resolution literature computes it.
#ifndef EVAL_SSIM_H_
#define EVAL_SSIM_H_

#include <cstdint>

#include "absl/types/span.h"
#include "base/image.h"

namespace hiif::eval {

// Mean SSIM of Y (BT.601, 16 to 235): Gaussian window of 11 x 11, sigma 1.5, where it fits whole
// into the image; K1 = 0.01, K2 = 0.03, L = 255. image: as for Psnr (base/psnr.h), not rounded.
// Requires 11 pixels on both sides after shaving.
double Ssim(absl::Span<const float> image, const RgbImage& original, int64_t shave);

}  // namespace hiif::eval

#endif  // EVAL_SSIM_H_
