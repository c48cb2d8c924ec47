// The chunks that released evaluations work in. They make seams, so the server never does it;
// published numbers were made so.
#ifndef EVAL_RELEASED_CHUNKS_H_
#define EVAL_RELEASED_CHUNKS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "base/image.h"
#include "model/upscaler/upscaler.h"

namespace hiif::eval {

// CiaoSR up to x4: square tiles of the input, each with features, map, coordinates and residual of
// its own, summed and divided by how many cover a pixel.
struct ReleasedTiles {
  int64_t side = 192;    // low-resolution pixels, at most the image's
  int64_t overlap = 32;  // of neighbouring tiles
};

// First pixels of the tiles of an axis of `size`: 0, side - overlap, ... and the last that fits.
std::vector<int64_t> TileStarts(int64_t size, int64_t side, int64_t overlap);

// Interleaved RGB in the normalised range, not clamped. InvalidArgument where the grid is not a
// whole multiple of the image, or overlap is not in [0, side).
absl::StatusOr<std::vector<float>> RenderReleasedTiles(const Upscaler& upscaler,
                                                       const RgbImage& image, Grid grid,
                                                       const ReleasedTiles& tiles);

// HIIF and SRNO: strips of `strip_rows` rows of the output, each its own attention context.
absl::StatusOr<std::vector<float>> RenderReleasedStrips(const Upscaler& upscaler,
                                                        const Features& features, Grid grid,
                                                        int64_t strip_rows);

}  // namespace hiif::eval

#endif  // EVAL_RELEASED_CHUNKS_H_
