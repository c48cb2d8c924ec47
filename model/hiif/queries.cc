#include "model/hiif/queries.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "model/decoders/decoder.h"

namespace hiif {
namespace {

int Levels(const ModelConfig& config) {
  const auto* hiif = config.decoder.hiif();
  return hiif == nullptr ? 0 : hiif->levels;
}

std::array<float, 2> GridCell(const ModelConfig& config, Grid size, double rows, double columns) {
  return {config.decoder->Cell(static_cast<double>(size.height), rows),
          config.decoder->Cell(static_cast<double>(size.width), columns)};
}

std::array<float, 2> GridCell(const ModelConfig& config, Grid size, Grid grid) {
  return GridCell(config, size, static_cast<double>(grid.height), static_cast<double>(grid.width));
}

// at(row, column, channel): of the normalised image.
template <class F>
void AddBilinear(const Positions& positions, int64_t row, int64_t column, int64_t last_row,
                 int64_t last_column, float* rgb, const F& at) {
  const int64_t r0 = positions.rows.sample[row];
  const int64_t c0 = positions.columns.sample[column];
  const int64_t r1 = std::min(r0 + 1, last_row);
  const int64_t c1 = std::min(c0 + 1, last_column);
  const float fr = positions.rows.fraction[row];
  const float fc = positions.columns.fraction[column];
  for (int64_t c = 0; c < 3; ++c) {
    rgb[c] += at(r0, c0, c) * (1 - fr) * (1 - fc) + at(r0, c1, c) * (1 - fr) * fc +
              at(r1, c0, c) * fr * (1 - fc) + at(r1, c1, c) * fr * fc;
  }
}

}  // namespace

Query Positions::At(int64_t row, int64_t column) const {
  Query query;
  query.weight = EnsembleWeights(rows, row, columns, column);
  for (int k = 0; k < 4; ++k) {
    query.neighbour[k] =
        static_cast<int32_t>(rows.index[k / 2][row] * columns.low + columns.index[k % 2][column]);
  }
  query.row_bits = rows.packed_bits(row);
  query.column_bits = columns.packed_bits(column);
  query.distance = {{{rows.distance[0][row], rows.distance[1][row]},
                     {columns.distance[0][column], columns.distance[1][column]}}};
  query.local = {rows.local[row], columns.local[column]};
  return query;
}

QueryPoint Positions::PointAt(int64_t row, int64_t column) const {
  return {{rows.mode, rows.low, grid.height, row_pixels[row]},
          {columns.mode, columns.low, grid.width, column_pixels[column]}};
}

Positions RegionPositions(const ModelConfig& config, Grid size, Grid grid, const Region& region) {
  const int levels = Levels(config);
  Positions positions{MakeAxis(config.coordinates, size.height, grid.height, levels, region.y,
                               region.y + region.height),
                      MakeAxis(config.coordinates, size.width, grid.width, levels, region.x,
                               region.x + region.width),
                      GridCell(config, size, grid),
                      grid,
                      {},
                      {}};
  if (config.decoder->points() != nullptr) {
    positions.row_pixels.resize(region.height);
    std::iota(positions.row_pixels.begin(), positions.row_pixels.end(),
              static_cast<double>(region.y));
    positions.column_pixels.resize(region.width);
    std::iota(positions.column_pixels.begin(), positions.column_pixels.end(),
              static_cast<double>(region.x));
  }
  return positions;
}

Positions PixelPositions(const ModelConfig& config, Grid size, Grid grid,
                         absl::Span<const GridPosition> pixels) {
  std::vector<int64_t> rows, columns;
  rows.reserve(pixels.size());
  columns.reserve(pixels.size());
  for (const auto& [row, column] : pixels) {
    rows.push_back(row);
    columns.push_back(column);
  }
  const int levels = Levels(config);
  Positions positions{MakeAxis(config.coordinates, size.height, grid.height, levels, rows),
                      MakeAxis(config.coordinates, size.width, grid.width, levels, columns),
                      GridCell(config, size, grid),
                      grid,
                      {},
                      {}};
  if (config.decoder->points() != nullptr) {
    positions.row_pixels.assign(rows.begin(), rows.end());
    positions.column_pixels.assign(columns.begin(), columns.end());
  }
  return positions;
}

Positions CoordinatePositions(const ModelConfig& config, Grid size, Grid grid, Cell cell,
                              absl::Span<const Coordinate> coordinates) {
  std::vector<double> rows, columns;
  rows.reserve(coordinates.size());
  columns.reserve(coordinates.size());
  for (const Coordinate& coordinate : coordinates) {
    rows.push_back(coordinate.row);
    columns.push_back(coordinate.column);
  }
  Positions positions{MakeAxisAt(rows, size.height, Levels(config)),
                      MakeAxisAt(columns, size.width, Levels(config)),
                      GridCell(config, size, 2.0 / cell.row, 2.0 / cell.column),
                      grid,
                      {},
                      {}};
  if (config.decoder->points() != nullptr) {
    for (const double row : rows) positions.row_pixels.push_back(PixelAt(row, grid.height));
    for (const double column : columns) {
      positions.column_pixels.push_back(PixelAt(column, grid.width));
    }
  }
  return positions;
}

std::vector<PixelIndex> GatherNeighbours(absl::Span<Query> queries) {
  if (queries.empty()) return {};
  PixelIndex least = queries[0].neighbour[0];
  PixelIndex most = least;
  for (const Query& query : queries) {
    const auto [low, high] = std::minmax_element(query.neighbour.begin(), query.neighbour.end());
    least = std::min(least, *low);
    most = std::max(most, *high);
  }
  std::vector<PixelIndex> pixels;
  const int64_t range = int64_t{most} - least + 1;
  if (range <= 16 * std::ssize(queries)) {  // the places in a table
    std::vector<int32_t> places(range, 0);
    for (const Query& query : queries) {
      for (const int32_t neighbour : query.neighbour) places[neighbour - least] = 1;
    }
    for (int64_t i = 0; i < range; ++i) {
      if (places[i] == 0) continue;
      places[i] = static_cast<int32_t>(pixels.size());
      pixels.push_back(static_cast<PixelIndex>(least + i));
    }
    for (Query& query : queries) {
      for (int32_t& neighbour : query.neighbour) neighbour = places[neighbour - least];
    }
    return pixels;
  }
  pixels.reserve(queries.size() * 4);
  for (const Query& query : queries) {
    pixels.insert(pixels.end(), query.neighbour.begin(), query.neighbour.end());
  }
  std::sort(pixels.begin(), pixels.end());
  pixels.erase(std::unique(pixels.begin(), pixels.end()), pixels.end());
  for (Query& query : queries) {
    for (int32_t& neighbour : query.neighbour) {
      neighbour = static_cast<int32_t>(std::lower_bound(pixels.begin(), pixels.end(), neighbour) -
                                       pixels.begin());
    }
  }
  return pixels;
}

float Normalised(const RgbImage& image, int64_t index) {
  float value;
  switch (image.type) {
    case SampleType::kU8:
      value = static_cast<float>(image.samples[index]) / 255.0f;
      break;
    case SampleType::kU16: {
      uint16_t sample;
      std::memcpy(&sample, image.samples.data() + index * 2, 2);
      value = static_cast<float>(sample) / 65535.0f;
      break;
    }
    default:
      std::memcpy(&value, image.samples.data() + index * 4, 4);
  }
  return (value - 0.5f) / 0.5f;
}

void AddResidual(const RgbImage& image, const Positions& positions, int64_t row, int64_t column,
                 float* rgb) {
  AddBilinear(positions, row, column, image.height - 1, image.width - 1, rgb,
              [&](int64_t y, int64_t x, int64_t c) {
                return Normalised(image, (y * image.width + x) * 3 + c);
              });
}

RectangleResidual::RectangleResidual(const RgbImage& image, const Positions& positions,
                                     const Region& region)
    : positions_(positions),
      last_row_(image.height - 1),
      last_column_(image.width - 1),
      row0_(positions.rows.sample[region.y]),
      column0_(positions.columns.sample[region.x]) {
  const auto end = [](const AxisTable& axis, int64_t last, int64_t bound) {
    return std::min<int64_t>(axis.sample[last] + 1, bound) + 1;
  };
  const int64_t rows = end(positions.rows, region.y + region.height - 1, last_row_);
  width_ = end(positions.columns, region.x + region.width - 1, last_column_) - column0_;
  values_.reserve((rows - row0_) * width_ * 3);
  for (int64_t y = row0_; y < rows; ++y) {
    const int64_t first = (y * image.width + column0_) * 3;
    for (int64_t i = 0; i < width_ * 3; ++i) values_.push_back(Normalised(image, first + i));
  }
}

void RectangleResidual::Add(int64_t row, int64_t column, float* rgb) const {
  AddBilinear(positions_, row, column, last_row_, last_column_, rgb,
              [this](int64_t y, int64_t x, int64_t c) {
                return values_[((y - row0_) * width_ + x - column0_) * 3 + c];
              });
}

}  // namespace hiif
