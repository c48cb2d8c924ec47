// CLIT's stages. No LibTorch.
#ifndef MODEL_DECODERS_CLIT_GRID_H_
#define MODEL_DECODERS_CLIT_GRID_H_

#include <algorithm>
#include <cstdint>

#include "base/image.h"

namespace hiif {

// Stages that an output of `grid` runs: the smallest number from 1 with 4^stages at least the
// factor of both axes.
inline int ClitStages(Grid size, Grid grid) {
  int stages = 1;
  for (int64_t factor = 4; factor * size.height < grid.height || factor * size.width < grid.width;
       factor *= 4) {
    ++stages;
  }
  return stages;
}

// The grid of stage t: 4^t times the image, at most the output.
inline Grid ClitStageGrid(Grid size, Grid output, int t) {
  const int64_t factor = int64_t{1} << (2 * t);
  if (t == 0) return size;
  return {std::min(size.height * factor, output.height),
          std::min(size.width * factor, output.width)};
}

}  // namespace hiif

#endif  // MODEL_DECODERS_CLIT_GRID_H_
