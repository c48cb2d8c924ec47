// What a decoder is asked: output pixels as their neighbours, weights and bits; plain values. And
// the bilinear residual of an image at them.
#ifndef MODEL_HIIF_QUERIES_H_
#define MODEL_HIIF_QUERIES_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/image.h"
#include "model/config.h"
#include "model/layers/axis_position.h"
#include "model/layers/coordinates.h"

namespace hiif {

// Index of a low-resolution pixel, row * width + column.
using PixelIndex = int32_t;

// One output pixel. Neighbours are in the order of model.md 2, step 2.
struct Query {
  std::array<int32_t, 4> neighbour;  // PixelIndex, or positions in a list of them
  std::array<float, 4> weight;       // ensemble weights, sum 1
  uint32_t row_bits = 0;             // bit l: of level l
  uint32_t column_bits = 0;
  std::array<std::array<float, 2>, 2> distance;  // axis (row, column) x side: AxisTable::distance
  std::array<float, 2> local;                    // AxisTable::local of row and column

  // Of a level: 2 * row bit + column bit.
  int bits(int level) const {
    return static_cast<int>(2 * (row_bits >> level & 1) + (column_bits >> level & 1));
  }
};

// Tables of some positions, by the checkpoint's coordinate mode.
struct Positions {
  AxisTable rows;
  AxisTable columns;
  std::array<float, 2> cell;  // as HIIF or LIIF takes it
  // Of other decoders: where the entries lie, in pixels of the output `grid`.
  Grid grid;
  std::vector<double> row_pixels;
  std::vector<double> column_pixels;

  bool by_points() const { return !row_pixels.empty(); }
  // Of an entry of each table; neighbours are pixels of the image.
  Query At(int64_t row, int64_t column) const;
  QueryPoint PointAt(int64_t row, int64_t column) const;
};

// The pixels of a region of a grid: entry 0 is its first row or column. `size` is the image's.
Positions RegionPositions(const ModelConfig& config, Grid size, Grid grid, const Region& region);
// Single pixels of a grid: pixel i is entry i of both tables.
Positions PixelPositions(const ModelConfig& config, Grid size, Grid grid,
                         absl::Span<const GridPosition> pixels);

// A position for Query: row and column in [-1,1], the centre of pixel i of n at (2i+1)/n - 1.
struct Coordinate {
  double row = 0;
  double column = 0;
};
// The size of one output pixel on the [-1,1] axes, 2/H by 2/W.
struct Cell {
  double row = 0;
  double column = 0;
};
// Arbitrary positions: position i is entry i of both tables. `grid`: that of which a pixel has this
// cell.
Positions CoordinatePositions(const ModelConfig& config, Grid size, Grid grid, Cell cell,
                              absl::Span<const Coordinate> coordinates);

// Replaces the neighbours by their places in the list of pixels that is returned, each once, in
// order.
std::vector<PixelIndex> GatherNeighbours(absl::Span<Query> queries);

// Value of a sample in the normalised range, in which [-1,1] is [0,1].
float Normalised(const RgbImage& image, int64_t index);

// Adds the bilinear sample of the normalised image at a position to three values.
void AddResidual(const RgbImage& image, const Positions& positions, int64_t row, int64_t column,
                 float* rgb);

// The same, of a rectangle of positions: pixels are normalised once.
class RectangleResidual {
 public:
  // `region` of the tables, whose entries are pixels next to each other. They must outlive it.
  RectangleResidual(const RgbImage& image, const Positions& positions, const Region& region);
  void Add(int64_t row, int64_t column, float* rgb) const;

 private:
  const Positions& positions_;
  const int64_t last_row_, last_column_;  // of the image
  const int64_t row0_, column0_;
  int64_t width_ = 0;
  std::vector<float> values_;  // from row0_ and column0_ on, 3 a pixel
};

}  // namespace hiif

#endif  // MODEL_HIIF_QUERIES_H_
