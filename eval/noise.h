// An image for measurements of time and memory.
#ifndef EVAL_NOISE_H_
#define EVAL_NOISE_H_

#include <cstdint>
#include <memory>
#include <random>

#include "base/image.h"

namespace hiif::eval {

// 8 bits, the same for the same size.
inline std::shared_ptr<const RgbImage> Noise(Grid size) {
  auto image = std::make_shared<RgbImage>();
  image->height = size.height;
  image->width = size.width;
  image->samples.resize(size.height * size.width * 3);
  std::mt19937 random(1);
  for (uint8_t& sample : image->samples) sample = static_cast<uint8_t>(random());
  return image;
}

}  // namespace hiif::eval

#endif  // EVAL_NOISE_H_
