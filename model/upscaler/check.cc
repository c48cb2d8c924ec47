#include "model/upscaler/check.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hiif {

absl::Status CheckRegion(const Region& r, Grid grid) {
  if (r.x < 0 || r.y < 0 || r.width < 1 || r.height < 1 || r.width > grid.width ||
      r.height > grid.height || r.x > grid.width - r.width || r.y > grid.height - r.height) {
    return absl::InvalidArgumentError(absl::StrCat("region ", r.width, "x", r.height, "+", r.x, "+",
                                                   r.y, " does not lie in the output of ",
                                                   grid.width, "x", grid.height));
  }
  return absl::OkStatus();
}

absl::Status CheckTile(const RenderTile& tile) {
  if (tile.features == nullptr || tile.context == nullptr) {
    return absl::InvalidArgumentError("a tile needs features and a context");
  }
  HIIF_RETURN_IF_ERROR(CheckRegion(tile.region, tile.context->grid()));
  if (static_cast<int64_t>(tile.out.size()) != tile.region.pixels() * 3) {
    return absl::InvalidArgumentError("a tile's output has the wrong size");
  }
  return absl::OkStatus();
}

absl::Status CheckImage(const RgbImage* image) {
  if (image == nullptr || image->height < 1 || image->width < 1) {
    return absl::InvalidArgumentError("the image is empty");
  }
  if (image->height > INT32_MAX / image->width) {
    return absl::InvalidArgumentError("the image has 2^31 pixels or more");
  }
  if (static_cast<int64_t>(image->samples.size()) !=
      image->height * image->width * 3 * SampleBytes(image->type)) {
    return absl::InvalidArgumentError("the image's samples do not fit its size");
  }
  return absl::OkStatus();
}

absl::Status CheckGrid(Grid grid, Grid image) {
  if (grid.height < image.height || grid.width < image.width) {
    return absl::InvalidArgumentError(absl::StrCat("an output of ", grid.width, "x", grid.height,
                                                   " is smaller than the input of ", image.width,
                                                   "x", image.height));
  }
  return absl::OkStatus();
}

}  // namespace hiif
