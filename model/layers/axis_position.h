// From a position on an axis to what MetaSR, LTE, CLIT, CiaoSR, SRNO and the filters ask of it, in
// both coordinate modes (docs/decoders.md). Rows and columns are independent. No LibTorch; compiled
// without contraction of a * b + c, because the reference mode is defined to the last rounding.
#ifndef MODEL_LAYERS_AXIS_POSITION_H_
#define MODEL_LAYERS_AXIS_POSITION_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "model/config.h"

namespace hiif {

// A position on one axis: pixel `pixel` of an output of `high` pixels over `low` low-resolution
// pixels. Between two pixels (Query) it is taken by the formulas of the exact mode in double.
struct AxisPosition {
  CoordinateMode mode = CoordinateMode::kExact;
  int64_t low = 1;
  int64_t high = 1;
  double pixel = 0;
};

// A position of the output.
struct QueryPoint {
  AxisPosition row;
  AxisPosition column;
};

// The pixel of [-1,1]-coordinate `at`; whole where the coordinate is a pixel's centre but for
// rounding.
double PixelAt(double at, int64_t high);

// In low-resolution pixels: 0 is the centre of the first.
double RealPosition(const AxisPosition& position);

// The cell that enters a network: 2/high times low; held at that of scale `limit` (0: not held).
float CellOf(int64_t low, int64_t high, int limit);

// LTE and SRNO: the pixels below and above, clamped to the image, and the distance to each, twice
// in low-resolution pixels.
struct PairPosition {
  std::array<int32_t, 2> index;
  std::array<float, 2> distance;
  float local;  // exact mode: position between them, in [0,1)
};
PairPosition PairAt(const AxisPosition& position);
// Ensemble weights of the four neighbours (--, -+, +-, ++), sum 1.
std::array<float, 4> PairWeights(CoordinateMode mode, const PairPosition& row,
                                 const PairPosition& column);

// MetaSR: the low-resolution pixel that holds the output pixel's upper (left) edge, and where in
// it, in [0,1) up to rounding.
struct EdgePosition {
  int32_t index;
  float fraction;
};
EdgePosition EdgeAt(const AxisPosition& position);

// CiaoSR: the nearest pixel, and two neighbours a step of (1 - 2/high)/(low - 1) away.
struct StepPosition {
  int32_t centre;
  std::array<int32_t, 2> index;
  std::array<float, 2> distance;  // as PairPosition
};
StepPosition StepAt(const AxisPosition& position);

// A bilinear sample: the pixel below, -1 to low - 1, and the weight of the one above.
struct BilinearPosition {
  int64_t lower;
  float fraction;
};
BilinearPosition BilinearAt(const AxisPosition& position);

// CLIT: a window of 2 radius + 1 pixels around the nearest. Writes the pixels (-1: outside) and
// the distances, twice in low-resolution pixels. Returns the nearest.
int64_t WindowAt(const AxisPosition& position, int radius, absl::Span<int64_t> index,
                 absl::Span<float> distance);

}  // namespace hiif

#endif  // MODEL_LAYERS_AXIS_POSITION_H_
