#include <cstring>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/writer.h"

namespace hiif {

TileAssembler::TileAssembler(Region region, int64_t pixel_bytes, ImageWriter* writer)
    : region_(region),
      pixel_bytes_(pixel_bytes),
      writer_(writer),
      next_x_(region.x),
      next_y_(region.y) {}

absl::Status TileAssembler::AddTile(Region tile, absl::string_view samples) {
  const int64_t right = region_.x + region_.width;
  const int64_t row_bytes = region_.width * pixel_bytes_;
  const bool first = next_x_ == region_.x;
  const bool fits = tile.x == next_x_ && tile.y == next_y_ && tile.width >= 1 && tile.height >= 1 &&
                    tile.width <= right - tile.x &&
                    tile.height <= region_.y + region_.height - tile.y &&
                    samples.size() == tile.pixels() * pixel_bytes_ &&
                    (first || tile.height * row_bytes == band_.size());
  if (!fits)
    return absl::InvalidArgumentError(
        absl::StrFormat("tile %d,%d %d x %d (%d bytes) where one at %d,%d was due", tile.x, tile.y,
                        tile.width, tile.height, samples.size(), next_x_, next_y_));
  if (first) band_.resize(tile.height * row_bytes);
  const int64_t bytes = tile.width * pixel_bytes_;
  for (int64_t row = 0; row < tile.height; ++row)
    std::memcpy(&band_[row * row_bytes + (tile.x - region_.x) * pixel_bytes_],
                &samples[row * bytes], bytes);
  next_x_ += tile.width;
  if (next_x_ < right) return absl::OkStatus();
  next_x_ = region_.x;
  next_y_ += tile.height;
  return writer_->WriteRows(band_);
}

}  // namespace hiif
