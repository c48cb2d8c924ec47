#include "model/layers/axis_position.h"

#include <algorithm>
#include <cmath>

#include "absl/numeric/int128.h"
#include "model/layers/coordinates.h"

namespace hiif {
namespace {

// Where a position clamps to, short of the rims.
const float kLowest = static_cast<float>(-1.0 + 1e-6);
const float kHighest = static_cast<float>(1.0 - 1e-6);
const float kNudge = static_cast<float>(1e-6);

int32_t Clamp(int64_t index, int64_t low) {
  return static_cast<int32_t>(std::clamp<int64_t>(index, 0, low - 1));
}

// Position of coordinate `c` in pixels of an axis of n.
float PixelsOf(float c, int64_t n) { return ((c + 1.0f) * static_cast<float>(n) - 1.0f) / 2.0f; }

// Nearest pixel, a tie to the even one; not clamped.
int64_t Nearest(float c, int64_t n) { return static_cast<int64_t>(std::nearbyint(PixelsOf(c, n))); }

bool IsWhole(const AxisPosition& p) { return p.pixel == std::floor(p.pixel); }

float Coordinate(const AxisPosition& p) {
  return ReferenceCentre(static_cast<int64_t>(p.pixel), p.high);
}

struct Split {
  int64_t whole;
  double fraction;  // in [0,1)
};

Split Divide(int64_t numerator, int64_t denominator) {
  int64_t whole = numerator / denominator;
  int64_t remainder = numerator % denominator;
  if (remainder < 0) {
    remainder += denominator;
    --whole;
  }
  return {whole, static_cast<double>(remainder) / static_cast<double>(denominator)};
}

Split Divide(double value) {
  const double whole = std::floor(value);
  return {static_cast<int64_t>(whole), value - whole};
}

double FractionalPosition(const AxisPosition& p) {
  const auto n = static_cast<double>(p.low);
  const auto high = static_cast<double>(p.high);
  return ((2 * p.pixel + 1) * n - high) / (2 * high);
}

Split ExactPosition(const AxisPosition& p) {
  if (!IsWhole(p)) return Divide(FractionalPosition(p));
  const auto i = static_cast<int64_t>(p.pixel);
  return Divide((2 * i + 1) * p.low - p.high, 2 * p.high);
}

// Nearest pixel, a tie to the one above; not clamped.
int64_t ExactNearest(const Split& position) {
  return position.whole + (position.fraction >= 0.5 ? 1 : 0);
}

// Twice the distance from pixel `index` to the position.
float TwiceFrom(const Split& position, int64_t index) {
  return static_cast<float>(2 * (static_cast<double>(position.whole - index) + position.fraction));
}

// CiaoSR's neighbour (v = -1, +1) in exact mode, not clamped; low > 1.
int64_t ExactStep(const AxisPosition& p, int v) {
  if (!IsWhole(p)) {
    const auto n = static_cast<double>(p.low);
    const auto high = static_cast<double>(p.high);
    return static_cast<int64_t>(
        std::floor(FractionalPosition(p) + v * (high - 2) * n / (2 * high * (n - 1)) + 0.5));
  }
  const absl::int128 n = p.low;
  const absl::int128 high = p.high;
  const absl::int128 i = static_cast<int64_t>(p.pixel);
  const absl::int128 a = ((2 * i + 1) * n - high) * (n - 1) + v * (high - 2) * n;
  const absl::int128 b = 2 * high * (n - 1);
  const absl::int128 numerator = 2 * a + b;
  absl::int128 quotient = numerator / (2 * b);
  if (numerator % (2 * b) < 0) --quotient;
  return static_cast<int64_t>(quotient);
}

bool UsesFloats(const AxisPosition& p) {
  return p.mode == CoordinateMode::kReference && IsWhole(p);
}

}  // namespace

double PixelAt(double at, int64_t high) {
  const double pixel = ((at + 1) * static_cast<double>(high) - 1) / 2;
  const double nearest = std::nearbyint(pixel);
  const bool inside = nearest >= 0 && nearest < static_cast<double>(high);
  return inside && std::fabs(pixel - nearest) < 1e-6 ? nearest : pixel;
}

double RealPosition(const AxisPosition& position) {
  const Split split = ExactPosition(position);
  return static_cast<double>(split.whole) + split.fraction;
}

float CellOf(int64_t low, int64_t high, int limit) {
  const auto n = static_cast<double>(low);
  const auto size = static_cast<double>(high);
  float cell = static_cast<float>(2.0 / size);
  if (limit > 0) cell = cell * static_cast<float>(std::max(size / n / limit, 1.0));
  return cell * static_cast<float>(n);
}

PairPosition PairAt(const AxisPosition& p) {
  PairPosition out{};
  if (!UsesFloats(p)) {
    const Split position = ExactPosition(p);
    out.local = static_cast<float>(position.fraction);
    for (int v = 0; v < 2; ++v) {
      out.index[v] = Clamp(position.whole + v, p.low);
      out.distance[v] = TwiceFrom(position, out.index[v]);
    }
    return out;
  }
  const double r = 1.0 / static_cast<double>(p.low);
  const float c = Coordinate(p);
  for (int v = 0; v < 2; ++v) {
    const float shift = static_cast<float>((2 * v - 1) * r + 1e-6);
    out.index[v] = Clamp(Nearest(std::clamp(c + shift, kLowest, kHighest), p.low), p.low);
    out.distance[v] = (c - ReferenceCentre(out.index[v], p.low)) * static_cast<float>(p.low);
  }
  return out;
}

std::array<float, 4> PairWeights(CoordinateMode mode, const PairPosition& row,
                                 const PairPosition& column) {
  if (mode == CoordinateMode::kExact) {
    const float r = row.local;
    const float c = column.local;
    return {(1.0f - r) * (1.0f - c), (1.0f - r) * c, r * (1.0f - c), r * c};
  }
  const float epsilon = static_cast<float>(1e-9);
  std::array<float, 4> area;
  for (int k = 0; k < 4; ++k) {
    area[k] = std::fabs(row.distance[k / 2] * column.distance[k % 2]) + epsilon;
  }
  const float total = ((area[0] + area[1]) + area[2]) + area[3];
  return {area[3] / total, area[2] / total, area[1] / total, area[0] / total};
}

EdgePosition EdgeAt(const AxisPosition& p) {
  if (!UsesFloats(p)) {
    const Split edge =
        IsWhole(p) ? Divide(static_cast<int64_t>(p.pixel) * p.low, p.high)
                   : Divide(p.pixel * static_cast<double>(p.low) / static_cast<double>(p.high));
    const int32_t index = Clamp(edge.whole, p.low);
    return {index, static_cast<float>(static_cast<double>(edge.whole - index) + edge.fraction)};
  }
  const float cell = static_cast<float>(2.0 / static_cast<double>(p.high));
  const float top = Coordinate(p) - cell / 2;
  const int32_t index = Clamp(Nearest(std::clamp(top + kNudge, kLowest, kHighest), p.low), p.low);
  const float edge =
      ReferenceCentre(index, p.low) - static_cast<float>(1.0 / static_cast<double>(p.low));
  return {index, (top - edge) * static_cast<float>(static_cast<double>(p.low) / 2)};
}

StepPosition StepAt(const AxisPosition& p) {
  StepPosition out{};
  if (!UsesFloats(p)) {
    const Split position = ExactPosition(p);
    out.centre = Clamp(ExactNearest(position), p.low);
    for (int v = 0; v < 2; ++v) {
      out.index[v] = p.low == 1 ? 0 : Clamp(ExactStep(p, 2 * v - 1), p.low);
      out.distance[v] = TwiceFrom(position, out.index[v]);
    }
    return out;
  }
  const float c = Coordinate(p);
  out.centre = Clamp(Nearest(c, p.low), p.low);
  const float cell = static_cast<float>(2.0 / static_cast<double>(p.high));
  const float t = (1.0f / (1.0f - cell)) * static_cast<float>(p.low - 1);
  const float step = 1.0f / t;
  for (int v = 0; v < 2; ++v) {
    if (p.low > 1) {
      const float shift = static_cast<float>(2 * v - 1) * step + kNudge;
      out.index[v] = Clamp(Nearest(std::clamp(c + shift, kLowest, kHighest), p.low), p.low);
    }
    out.distance[v] = (c - ReferenceCentre(out.index[v], p.low)) * static_cast<float>(p.low);
  }
  return out;
}

BilinearPosition BilinearAt(const AxisPosition& p) {
  if (!UsesFloats(p)) {
    const Split position = ExactPosition(p);
    return {position.whole, static_cast<float>(position.fraction)};
  }
  const float position = PixelsOf(Coordinate(p), p.low);
  const float lower = std::floor(position);
  return {static_cast<int64_t>(lower), position - lower};
}

int64_t WindowAt(const AxisPosition& p, int radius, absl::Span<int64_t> index,
                 absl::Span<float> distance) {
  const auto inside = [&](int64_t k) { return k >= 0 && k < p.low ? k : -1; };
  if (!UsesFloats(p)) {
    const Split position = ExactPosition(p);
    const int64_t centre = Clamp(ExactNearest(position), p.low);
    for (int i = -radius; i <= radius; ++i) {
      index[i + radius] = inside(centre + i);
      distance[i + radius] = TwiceFrom(position, centre + i);
    }
    return centre;
  }
  const float c = Coordinate(p);
  const int64_t centre = Clamp(Nearest(c, p.low), p.low);
  const float first = ReferenceCentre(centre, p.low);
  const float pixel = static_cast<float>(2.0 / static_cast<double>(p.low));
  for (int i = -radius; i <= radius; ++i) {
    const float offset = static_cast<float>(i) * pixel;
    const float key = first + offset;
    index[i + radius] = inside(Nearest(key, p.low));
    distance[i + radius] = (c - key) * static_cast<float>(p.low);
  }
  return centre;
}

}  // namespace hiif
