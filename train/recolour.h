// Other colours for a patch and for what is wanted of it.
#ifndef TRAIN_RECOLOUR_H_
#define TRAIN_RECOLOUR_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "train/random.h"
#include "train/sample.h"

namespace hiif::train {

// One of the six orders of the channels, and perhaps the negative. Every pixel keeps its place and
// resizing is linear, so a teacher's output is recoloured as its input is: what is learned of an
// edge holds for edges between any two colours, of which a few hundred photographs show few.
struct Recolouring {
  std::array<uint8_t, 3> order = {0, 1, 2};  // channel c of the result is order[c] of the sample
  bool negative = false;                     // v becomes 255 - v

  static Recolouring Draw(Random& random);
  friend bool operator==(const Recolouring&, const Recolouring&) = default;
};

// What becomes of sample (step, item): `part` of them, in [0,1], are recoloured.
Recolouring DrawRecolouring(double part, uint64_t seed, int64_t step, int64_t item);

// Interleaved RGB.
std::vector<uint8_t> Recoloured(const Recolouring& recolouring, absl::Span<const uint8_t> levels);

// The sample loses its latent codes, which were those of other colours.
void Recolour(const Recolouring& recolouring, Sample& sample);

}  // namespace hiif::train

#endif  // TRAIN_RECOLOUR_H_
