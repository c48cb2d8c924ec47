#include "train/recolour.h"

#include <cstddef>
#include <utility>
#include <vector>

namespace hiif::train {
namespace {

// A stream of random numbers beside those of the samples, which use items from 0.
constexpr uint64_t kColourStream = uint64_t{1} << 61;  // and the item

template <class Level>
void RecolourLevels(const Recolouring& recolouring, absl::Span<Level> levels) {
  for (size_t i = 0; i + 3 <= levels.size(); i += 3) {
    const std::array<Level, 3> before = {levels[i], levels[i + 1], levels[i + 2]};
    for (size_t c = 0; c < 3; ++c) {
      const Level level = before[recolouring.order[c]];
      levels[i + c] = recolouring.negative ? static_cast<Level>(255 - level) : level;
    }
  }
}

}  // namespace

Recolouring Recolouring::Draw(Random& random) {
  Recolouring out;
  std::swap(out.order[2], out.order[random.Below(3)]);
  std::swap(out.order[1], out.order[random.Below(2)]);
  out.negative = random.Below(2) == 1;
  return out;
}

Recolouring DrawRecolouring(double part, uint64_t seed, int64_t step, int64_t item) {
  Random random(seed, step, kColourStream | static_cast<uint64_t>(item));
  return random.Uniform() < part ? Recolouring::Draw(random) : Recolouring{};
}

std::vector<uint8_t> Recoloured(const Recolouring& recolouring, absl::Span<const uint8_t> levels) {
  std::vector<uint8_t> out(levels.begin(), levels.end());
  RecolourLevels(recolouring, absl::MakeSpan(out));
  return out;
}

void Recolour(const Recolouring& recolouring, Sample& sample) {
  if (recolouring == Recolouring{}) return;
  RecolourLevels(recolouring, absl::MakeSpan(sample.patch));
  RecolourLevels(recolouring, absl::MakeSpan(sample.colours));
  sample.latents = {};
}

}  // namespace hiif::train
