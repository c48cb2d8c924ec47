#include "server/core/strips.h"

#include <algorithm>

namespace hiif::server {

Strips::Strips(const Plan& plan, int64_t variants) : plan_(plan), variants_(variants) {
  const int64_t width = std::min<int64_t>(plan_.tile_size, plan_.region.width);
  const int64_t height = std::min<int64_t>(plan_.tile_size, plan_.region.height);
  per_tile_ = std::max<int64_t>(1, (width * height * variants + kPixels - 1) / kPixels);
  per_tile_ = std::min(per_tile_, height);  // of a row at least
  rows_ = (height + per_tile_ - 1) / per_tile_;
}

Strip Strips::operator[](int64_t index) const {
  Strip strip;
  strip.tile = plan_.first_tile + index / per_tile_;
  const Region tile = plan_.Tile(strip.tile);
  const int64_t begin = std::min(tile.height, index % per_tile_ * rows_);
  const int64_t end = std::min(tile.height, begin + rows_);
  strip.region = {tile.x, tile.y + begin, tile.width, end - begin};
  strip.offset = begin * tile.width * plan_.pixel_bytes();
  strip.bytes = strip.region.pixels() * plan_.pixel_bytes();
  return strip;
}

int64_t Strips::Cost(int64_t index) const {
  return std::max<int64_t>(1, (*this)[index].region.pixels() * variants_);
}

int64_t Strips::TotalCost() const {
  const int64_t size = plan_.tile_size;
  const Region& region = plan_.region;
  const int64_t row = plan_.first_tile / plan_.columns();
  const int64_t column = plan_.first_tile % plan_.columns();
  const int64_t pixels =
      (region.width - column * size) * std::min(size, region.height - row * size) +
      region.width * std::max<int64_t>(0, region.height - (row + 1) * size);
  // Strips below the end of their tile are empty and cost 1.
  const auto empty = [&](int64_t height) { return per_tile_ - (height + rows_ - 1) / rows_; };
  const int64_t tiles = plan_.tiles() - plan_.first_tile;
  const int64_t last = std::min(tiles, plan_.columns());  // of the lowest row
  return pixels * variants_ + (tiles - last) * empty(std::min(size, region.height)) +
         last * empty(region.height - (plan_.rows() - 1) * size);
}

}  // namespace hiif::server
