// What photographs have been through before somebody wants them larger: a lens, a sensor, JPEG.
#ifndef TRAIN_DEGRADE_H_
#define TRAIN_DEGRADE_H_

#include "base/image.h"
#include "train/random.h"

namespace hiif::train {

struct Degradation {
  double blur = 0;           // deviation of a Gaussian, pixels; 0: none
  double resize = 1;         // then enlarged by so much, and back at the end
  double noise = 0;          // deviation, levels of 255; independent in every sample
  int quality = 95;          // of JPEG, 1 to 100
  bool half_chroma = false;  // 4:2:0 instead of 4:4:4
};

// Uniform: blur in [0.2, 1.5], noise in [0, 6], quality in [50, 95], chroma halved every other
// time.
Degradation DrawDegradation(Random& random);

// In this order. `image` is of 8 bits and not empty; so is the result, of the same size. The edge
// is repeated outside. `random` gives the noise.
RgbImage Degrade(const RgbImage& image, const Degradation& degradation, Random& random);

// What went around: taken, shown smaller or larger, saved, and all that again ("second order", Wang
// et al., Real-ESRGAN, ICCVW 2021, with milder ranges: photographs, not wrecks).
RgbImage DegradeTwice(const RgbImage& image, Random& random);

}  // namespace hiif::train

#endif  // TRAIN_DEGRADE_H_
