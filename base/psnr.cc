#include "base/psnr.h"

#include <cassert>
#include <cmath>

namespace hiif {

double Psnr(absl::Span<const float> image, const RgbImage& original, int64_t shave,
            PsnrChannels channels) {
  assert(original.type == SampleType::kU8 && image.size() == original.samples.size());
  assert(original.height > 2 * shave && original.width > 2 * shave);
  double sum = 0;
  int64_t count = 0;
  for (int64_t y = shave; y < original.height - shave; ++y) {
    for (int64_t x = shave; x < original.width - shave; ++x) {
      const int64_t i = (y * original.width + x) * 3;
      double difference[3];
      for (int64_t c = 0; c < 3; ++c) {
        difference[c] = static_cast<double>(image[i + c]) - original.samples[i + c] / 255.0;
      }
      if (channels == PsnrChannels::kLuma) {
        const double luma =
            (65.738 * difference[0] + 129.057 * difference[1] + 25.064 * difference[2]) / 256.0;
        sum += luma * luma;
        ++count;
      } else {
        for (const double d : difference) sum += d * d;
        count += 3;
      }
    }
  }
  return -10.0 * std::log10(sum / static_cast<double>(count));
}

}  // namespace hiif
