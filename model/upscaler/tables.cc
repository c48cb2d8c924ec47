#include "absl/strings/str_cat.h"
#include "model/layers/peer_coordinates.h"
#include "model/upscaler/reference.h"

namespace hiif {
namespace {

int Levels(const ModelConfig& config) {
  const auto* hiif = std::get_if<HiifConfig>(&config.decoder);
  return hiif == nullptr ? 0 : hiif->levels;
}

// Of one axis, as the decoder takes it.
float AxisCell(const DecoderConfig& decoder, double low, double high) {
  if (std::holds_alternative<HiifConfig>(decoder)) return HiifCell(low, high);
  if (std::holds_alternative<LiifConfig>(decoder)) return LiifCell(low, high);
  int limit = 0;
  if (const auto* lte = std::get_if<LteConfig>(&decoder)) limit = lte->cell_limit;
  if (const auto* srno = std::get_if<SrnoConfig>(&decoder)) limit = srno->cell_limit;
  return CellOf(static_cast<int64_t>(low), static_cast<int64_t>(high), limit);
}

std::array<float, 2> MakeCell(const ModelConfig& config, double height, double width, double rows,
                              double columns) {
  return {AxisCell(config.decoder, height, rows), AxisCell(config.decoder, width, columns)};
}

}  // namespace

std::array<float, 2> GridCell(const ModelConfig& config, int64_t height, int64_t width, Grid grid) {
  return MakeCell(config, static_cast<double>(height), static_cast<double>(width),
                  static_cast<double>(grid.height), static_cast<double>(grid.width));
}

GridTables MakeRegionTables(const ModelConfig& config, int64_t height, int64_t width, Grid grid,
                            const Region& region) {
  const int levels = Levels(config);
  return {
      MakeAxis(config.coordinates, height, grid.height, levels, region.y, region.y + region.height),
      MakeAxis(config.coordinates, width, grid.width, levels, region.x, region.x + region.width),
      GridCell(config, height, width, grid)};
}

GridTables MakePixelTables(const ModelConfig& config, int64_t height, int64_t width, Grid grid,
                           absl::Span<const GridPosition> pixels) {
  std::vector<int64_t> rows, columns;
  rows.reserve(pixels.size());
  columns.reserve(pixels.size());
  for (const auto& [row, column] : pixels) {
    rows.push_back(row);
    columns.push_back(column);
  }
  const int levels = Levels(config);
  return {MakeAxis(config.coordinates, height, grid.height, levels, rows),
          MakeAxis(config.coordinates, width, grid.width, levels, columns),
          GridCell(config, height, width, grid)};
}

GridTables MakeQueryTables(const ModelConfig& config, int64_t height, int64_t width, Cell cell,
                           absl::Span<const Coordinate> coordinates) {
  std::vector<double> rows, columns;
  rows.reserve(coordinates.size());
  columns.reserve(coordinates.size());
  for (const Coordinate& coordinate : coordinates) {
    rows.push_back(coordinate.row);
    columns.push_back(coordinate.column);
  }
  return {MakeAxisAt(rows, height, Levels(config)), MakeAxisAt(columns, width, Levels(config)),
          MakeCell(config, static_cast<double>(height), static_cast<double>(width), 2.0 / cell.row,
                   2.0 / cell.column)};
}

absl::Status CheckNormalisation(const ModelConfig& config) {
  if (config.normalisation == Normalisation{}) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("a ", DecoderName(config.decoder),
                                               " decoder is served with the normalisation "
                                               "(x-0.5)/0.5 only"));
}

absl::Status CheckTile(const RenderTile& tile) {
  if (tile.features == nullptr || tile.context == nullptr) {
    return absl::InvalidArgumentError("a tile needs features and a context");
  }
  const Grid grid = tile.context->grid();
  const Region& r = tile.region;
  if (r.x < 0 || r.y < 0 || r.width < 1 || r.height < 1 || r.width > grid.width ||
      r.height > grid.height || r.x > grid.width - r.width || r.y > grid.height - r.height) {
    return absl::InvalidArgumentError(absl::StrCat("region ", r.width, "x", r.height, "+", r.x, "+",
                                                   r.y, " does not lie in the output of ",
                                                   grid.width, "x", grid.height));
  }
  if (static_cast<int64_t>(tile.out.size()) != r.pixels() * 3) {
    return absl::InvalidArgumentError("a tile's output has the wrong size");
  }
  return absl::OkStatus();
}

absl::Status CheckImage(const RgbImage* image) {
  if (image == nullptr || image->height < 1 || image->width < 1) {
    return absl::InvalidArgumentError("the image is empty");
  }
  if (static_cast<int64_t>(image->samples.size()) !=
      image->height * image->width * 3 * SampleBytes(image->type)) {
    return absl::InvalidArgumentError("the image's samples do not fit its size");
  }
  return absl::OkStatus();
}

absl::Status CheckGrid(Grid grid, int64_t height, int64_t width) {
  if (grid.height < height || grid.width < width) {
    return absl::InvalidArgumentError(absl::StrCat("an output of ", grid.width, "x", grid.height,
                                                   " is smaller than the input of ", width, "x",
                                                   height));
  }
  return absl::OkStatus();
}

}  // namespace hiif
