// A whole image through an Upscaler on several threads, timed: what the server does for one
// request, without the server.
#ifndef EVAL_ENLARGE_H_
#define EVAL_ENLARGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/image.h"
#include "model/upscaler/upscaler.h"

namespace hiif::eval {

struct EnlargeOptions {
  int threads = 1;
  int64_t context_samples = kDefaultContextSamples;
  // Rows of the output rendered in one call, in tiles of this width; 0: the whole width.
  int64_t tile_rows = 64;
  int64_t tile_columns = 256;
};

struct EnlargeTimes {
  double encode_s = 0;
  double query_s = 0;  // the context and every tile
};

// Renders every tile once; take(tile) is called on the thread that rendered it, with values of the
// normalised range. Tiles cover the grid without overlap.
absl::StatusOr<EnlargeTimes> EnlargeTiles(const Upscaler& upscaler,
                                          std::shared_ptr<const RgbImage> image, Grid grid,
                                          const EnlargeOptions& options,
                                          const std::function<void(const RenderTile&)>& take);

// The whole output, interleaved RGB in [0,1].
absl::StatusOr<std::vector<float>> Enlarge(const Upscaler& upscaler,
                                           std::shared_ptr<const RgbImage> image, Grid grid,
                                           const EnlargeOptions& options);

}  // namespace hiif::eval

#endif  // EVAL_ENLARGE_H_
