#include "eval/released_chunks.h"

#include <algorithm>
#include <memory>

#include "base/status_macros.h"

namespace hiif::eval {
namespace {

std::shared_ptr<const RgbImage> Cut(const RgbImage& image, const Region& region) {
  return std::make_shared<const RgbImage>(Crop(image, region));
}

}  // namespace

std::vector<int64_t> TileStarts(int64_t size, int64_t side, int64_t overlap) {
  std::vector<int64_t> starts;
  for (int64_t first = 0; first < size - side; first += side - overlap) starts.push_back(first);
  starts.push_back(size - side);
  return starts;
}

absl::StatusOr<std::vector<float>> RenderReleasedTiles(const Upscaler& upscaler,
                                                       const RgbImage& image, Grid grid,
                                                       const ReleasedTiles& tiles) {
  const int64_t scale = grid.height / image.height;
  if (scale < 1 || grid.height != scale * image.height || grid.width != scale * image.width)
    return absl::InvalidArgumentError("released tiles are for whole factors, equal on both axes");
  const int64_t side = std::min({tiles.side, image.height, image.width});
  if (side < 1 || tiles.overlap < 0 || tiles.overlap >= side)
    return absl::InvalidArgumentError("the overlap of tiles must lie in [0, side)");
  std::vector<float> sum(grid.height * grid.width * 3);
  std::vector<float> count(grid.height * grid.width);
  std::vector<float> values(side * side * scale * scale * 3);
  const Grid tile_grid{side * scale, side * scale};
  for (const int64_t y : TileStarts(image.height, side, tiles.overlap)) {
    for (const int64_t x : TileStarts(image.width, side, tiles.overlap)) {
      HIIF_ASSIGN_OR_RETURN(const auto features, upscaler.Encode(Cut(image, {x, y, side, side})));
      HIIF_ASSIGN_OR_RETURN(const auto context,
                            upscaler.MakeContext(*features, tile_grid, {.samples = 0}));
      const RenderTile tile{features.get(),
                            context.get(),
                            {0, 0, tile_grid.width, tile_grid.height},
                            absl::MakeSpan(values)};
      HIIF_RETURN_IF_ERROR(upscaler.Render({&tile, 1}));
      for (int64_t row = 0; row < tile_grid.height; ++row) {
        const int64_t first = (y * scale + row) * grid.width + x * scale;
        for (int64_t i = 0; i < tile_grid.width * 3; ++i)
          sum[first * 3 + i] += values[row * tile_grid.width * 3 + i];
        for (int64_t i = 0; i < tile_grid.width; ++i) count[first + i] += 1;
      }
    }
  }
  for (size_t i = 0; i < sum.size(); ++i) sum[i] /= count[i / 3];
  return sum;
}

absl::StatusOr<std::vector<float>> RenderReleasedStrips(const Upscaler& upscaler,
                                                        const Features& features, Grid grid,
                                                        int64_t strip_rows) {
  std::vector<float> out(grid.height * grid.width * 3);
  for (int64_t row = 0; row < grid.height; row += strip_rows) {
    const Region strip{0, row, grid.width, std::min(strip_rows, grid.height - row)};
    HIIF_ASSIGN_OR_RETURN(const auto context,
                          upscaler.MakeContext(features, grid, {.samples = 0, .strip = strip}));
    const RenderTile tile{&features, context.get(), strip,
                          absl::MakeSpan(out).subspan(row * grid.width * 3, strip.pixels() * 3)};
    HIIF_RETURN_IF_ERROR(upscaler.Render({&tile, 1}));
  }
  return out;
}

}  // namespace hiif::eval
