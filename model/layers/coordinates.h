// From positions of output pixels to what the decoder asks of them: neighbours, ensemble weights,
// bits. model.md 2, steps 1 to 5, in both coordinate modes. Rows and columns are independent, so
// everything is a table per axis. No LibTorch; the source file is compiled without contraction of a
// * b + c, because the reference mode is defined to the last rounding step.
#ifndef MODEL_LAYERS_COORDINATES_H_
#define MODEL_LAYERS_COORDINATES_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/image.h"
#include "model/config.h"

namespace hiif {

// One axis: `low` low-resolution pixels, size() positions on it; memory follows from size() alone.
struct AxisTable {
  CoordinateMode mode = CoordinateMode::kExact;
  int64_t low = 0;
  int levels = 0;
  std::vector<float> coordinate;  // in [-1,1]
  std::array<std::vector<int32_t>, 2>
      index;  // of the neighbour below (-) and above (+), in [0, low)
  // Distance to that neighbour in low-resolution pixels; of the clamped one in both modes.
  std::array<std::vector<float>, 2> distance;
  std::vector<float> local;     // position relative to the neighbour below, in [0,1]
  std::vector<uint8_t> bits;    // level * size() + position: floor(local * 2^(level+1)) mod 2
  std::vector<int32_t> sample;  // bilinear residual: lower pixel, in [0, low)
  std::vector<float> fraction;  // and the weight of the pixel above it, in [0,1)

  int64_t size() const { return static_cast<int64_t>(coordinate.size()); }
  int bit(int level, int64_t i) const { return bits[level * size() + i]; }
  // Bit l: of level l.
  uint32_t packed_bits(int64_t i) const {
    uint32_t packed = 0;
    for (int level = 0; level < levels; ++level)
      packed |= uint32_t{bits[level * size() + i]} << level;
    return packed;
  }
};

// The centres of some of `high` output pixels: entry k is pixels[k], in [0, high).
AxisTable MakeAxis(CoordinateMode mode, int64_t low, int64_t high, int levels,
                   absl::Span<const int64_t> pixels);
// Of pixels begin, begin + 1, ... below end.
AxisTable MakeAxis(CoordinateMode mode, int64_t low, int64_t high, int levels, int64_t begin,
                   int64_t end);
// Of all.
AxisTable MakeAxis(CoordinateMode mode, int64_t low, int64_t high, int levels);

// Arbitrary positions in [-1,1], by the formulas of the exact mode in double.
AxisTable MakeAxisAt(absl::Span<const double> positions, int64_t low, int levels);

// Ensemble weights of the four neighbours (--, -+, +-, ++) of the position at `row` and `column`,
// sum 1: the area of the rectangle to the diagonally opposite neighbour.
std::array<float, 4> EnsembleWeights(const AxisTable& rows, int64_t row, const AxisTable& columns,
                                     int64_t column);

// Step 4: (row, column) cell fed to the HIIF decoder for an output of `high` pixels an axis, 2 /
// min(s, 4) with s = high / low.
float HiifCell(double low, double high);
// The LIIF decoder's, 2 low / high.
float LiifCell(double low, double high);
// 2 low / high, held at that of scale `limit` (0: not held).
float LimitedCell(double low, double high, int limit);

// Centre of pixel i of n in [-1,1], to the last rounding as make_coord of the released code.
float ReferenceCentre(int64_t i, int64_t n);

// Position i of the regular sample of a grid (model.md 2.2): the R2 sequence.
struct GridPosition {
  int64_t row;
  int64_t column;
};
GridPosition SamplePosition(Grid grid, int64_t i);

}  // namespace hiif

#endif  // MODEL_LAYERS_COORDINATES_H_
