// Internal to model/upscaler: InvalidArgument for what does not fit.
#ifndef MODEL_UPSCALER_CHECK_H_
#define MODEL_UPSCALER_CHECK_H_

#include "absl/status/status.h"
#include "model/upscaler/upscaler.h"

namespace hiif {

// Where a tile does not lie in its grid or its output has the wrong size.
absl::Status CheckTile(const RenderTile& tile);
// Where a region is empty or does not lie in the grid.
absl::Status CheckRegion(const Region& region, Grid grid);
// For empty images, images of 2^31 pixels or more, and samples that do not fit the size.
absl::Status CheckImage(const RgbImage* image);
// For grids smaller than the image.
absl::Status CheckGrid(Grid grid, Grid image);

}  // namespace hiif

#endif  // MODEL_UPSCALER_CHECK_H_
