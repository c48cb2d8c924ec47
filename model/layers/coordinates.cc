#include "model/layers/coordinates.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hiif {
namespace {

AxisTable Allocate(CoordinateMode mode, int64_t low, int64_t size, int levels) {
  AxisTable table;
  table.mode = mode;
  table.low = low;
  table.levels = levels;
  table.coordinate.resize(size);
  for (auto& index : table.index) index.resize(size);
  for (auto& distance : table.distance) distance.resize(size);
  table.local.resize(size);
  table.bits.resize(levels * size);
  table.sample.resize(size);
  table.fraction.resize(size);
  return table;
}

int32_t Clamp(int64_t index, int64_t low) {
  return static_cast<int32_t>(std::clamp<int64_t>(index, 0, low - 1));
}

AxisTable MakeReferenceAxis(int64_t low, int64_t high, int levels,
                            absl::Span<const int64_t> pixels) {
  const auto positions = static_cast<int64_t>(pixels.size());
  AxisTable table = Allocate(CoordinateMode::kReference, low, positions, levels);
  const double h = static_cast<double>(low);
  const float size = static_cast<float>(h);
  const float half = static_cast<float>(h / 2);
  const float shift[2] = {static_cast<float>(-1.0 * (2.0 / h / 2.0) + 1e-6),
                          static_cast<float>(1.0 * (2.0 / h / 2.0) + 1e-6)};
  const float lowest = static_cast<float>(-1.0 + 1e-6);
  const float highest = static_cast<float>(1.0 - 1e-6);
  const float border = static_cast<float>(1.0 / h);
  const float epsilon = static_cast<float>(1e-9);
  for (int64_t i = 0; i < positions; ++i) {
    const float c = ReferenceCentre(pixels[i], high);
    table.coordinate[i] = c;
    for (int v = 0; v < 2; ++v) {
      const float shifted = std::clamp(c + shift[v], lowest, highest);
      const float position = ((shifted + 1.0f) * size - 1.0f) / 2.0f;
      const int32_t index = Clamp(static_cast<int64_t>(std::nearbyint(position)), low);
      table.index[v][i] = index;
      table.distance[v][i] = (c - ReferenceCentre(index, low)) * half;
    }
    const float distance = table.distance[0][i];
    const float local = distance > 0.0f ? distance : border - distance;
    table.local[i] = local;
    const float limited = std::min(std::max(local - epsilon, 0.0f), 1.0f);
    for (int level = 0; level < levels; ++level) {
      const float scaled = limited * static_cast<float>(1 << (level + 1));
      table.bits[level * positions + i] = static_cast<int64_t>(std::floor(scaled)) & 1;
    }
    const float unnormalised = ((c + 1.0f) * size - 1.0f) / 2.0f;
    const float clipped = std::min(std::max(unnormalised, 0.0f), size - 1.0f);
    const float lower = std::floor(clipped);
    table.sample[i] = static_cast<int32_t>(lower);
    table.fraction[i] = clipped - lower;
  }
  return table;
}

// Everything that follows from k = floor(position) and position - k.
void FillExact(AxisTable& table, int64_t i, int64_t k, double local) {
  const int64_t low = table.low;
  table.local[i] = static_cast<float>(local);
  for (int v = 0; v < 2; ++v) {
    const int32_t index = Clamp(k + v, low);
    table.index[v][i] = index;
    table.distance[v][i] = static_cast<float>(static_cast<double>(k - index) + local);
  }
  if (k < 0) {
    table.sample[i] = 0;
    table.fraction[i] = 0;
  } else if (k >= low - 1) {
    table.sample[i] = static_cast<int32_t>(low - 1);
    table.fraction[i] = 0;
  } else {
    table.sample[i] = static_cast<int32_t>(k);
    table.fraction[i] = static_cast<float>(local);
  }
}

AxisTable MakeExactAxis(int64_t low, int64_t high, int levels, absl::Span<const int64_t> pixels) {
  const auto size = static_cast<int64_t>(pixels.size());
  AxisTable table = Allocate(CoordinateMode::kExact, low, size, levels);
  for (int64_t i = 0; i < size; ++i) {
    const int64_t twice = 2 * pixels[i] + 1;
    table.coordinate[i] =
        static_cast<float>(static_cast<double>(twice) / static_cast<double>(high) - 1.0);
    // Position of the output pixel in low-resolution pixels: numerator / (2 high).
    const int64_t numerator = twice * low - high;
    const int64_t denominator = 2 * high;
    int64_t k = numerator / denominator;
    int64_t remainder = numerator % denominator;
    if (remainder < 0) {
      remainder += denominator;
      --k;
    }
    FillExact(table, i, k, static_cast<double>(remainder) / static_cast<double>(denominator));
    for (int level = 0; level < levels; ++level) {
      table.bits[level * size + i] = ((remainder << (level + 1)) / denominator) & 1;
    }
  }
  return table;
}

// Where bits change, a rounding error would change them: a position that is one of those, but for
// it, is it.
double OnTheGrid(double position, int levels) {
  const double steps = int64_t{1} << levels;
  const double nearest = std::nearbyint(position * steps) / steps;
  return std::fabs(position - nearest) < 1e-9 ? nearest : position;
}

}  // namespace

// Scalars in double, rounded once.
float ReferenceCentre(int64_t i, int64_t n) {
  const double r = 1.0 / static_cast<double>(n);
  const float first = static_cast<float>(-1.0 + r);
  const float step = static_cast<float>(2.0 * r);
  const float product = step * static_cast<float>(i);
  return first + product;
}

AxisTable MakeAxis(CoordinateMode mode, int64_t low, int64_t high, int levels,
                   absl::Span<const int64_t> pixels) {
  return mode == CoordinateMode::kReference ? MakeReferenceAxis(low, high, levels, pixels)
                                            : MakeExactAxis(low, high, levels, pixels);
}

AxisTable MakeAxis(CoordinateMode mode, int64_t low, int64_t high, int levels, int64_t begin,
                   int64_t end) {
  std::vector<int64_t> pixels(end - begin);
  std::iota(pixels.begin(), pixels.end(), begin);
  return MakeAxis(mode, low, high, levels, pixels);
}

AxisTable MakeAxis(CoordinateMode mode, int64_t low, int64_t high, int levels) {
  return MakeAxis(mode, low, high, levels, 0, high);
}

AxisTable MakeAxisAt(absl::Span<const double> positions, int64_t low, int levels) {
  const int64_t size = static_cast<int64_t>(positions.size());
  AxisTable table = Allocate(CoordinateMode::kExact, low, size, levels);
  for (int64_t i = 0; i < size; ++i) {
    table.coordinate[i] = static_cast<float>(positions[i]);
    const double position =
        OnTheGrid(((positions[i] + 1.0) * static_cast<double>(low) - 1.0) / 2.0, levels);
    const double k = std::floor(position);
    const double local = position - k;
    FillExact(table, i, static_cast<int64_t>(k), local);
    for (int level = 0; level < levels; ++level) {
      table.bits[level * size + i] = static_cast<int64_t>(local * (1 << (level + 1))) & 1;
    }
  }
  return table;
}

std::array<float, 4> EnsembleWeights(const AxisTable& rows, int64_t row, const AxisTable& columns,
                                     int64_t column) {
  if (rows.mode == CoordinateMode::kExact) {
    const float r = rows.local[row];
    const float c = columns.local[column];
    return {(1.0f - r) * (1.0f - c), (1.0f - r) * c, r * (1.0f - c), r * c};
  }
  const float epsilon = static_cast<float>(1e-9);
  std::array<float, 4> area;
  for (int k = 0; k < 4; ++k) {
    area[k] = std::fabs(rows.distance[k / 2][row] * columns.distance[k % 2][column]) + epsilon;
  }
  const float total = ((area[0] + area[1]) + area[2]) + area[3];
  return {area[3] / total, area[2] / total, area[1] / total, area[0] / total};
}

float HiifCell(double low, double high) { return LimitedCell(low, high, 4); }

float LiifCell(double low, double high) { return LimitedCell(low, high, 0); }

float LimitedCell(double low, double high, int limit) {
  const double cell = 2.0 / high * low;
  return static_cast<float>(limit > 0 ? cell * std::max(high / low / limit, 1.0) : cell);
}

GridPosition SamplePosition(Grid grid, int64_t i) {
  const auto fraction = [](double v) { return v - std::floor(v); };
  const double n = static_cast<double>(i);
  const double row = fraction(0.5 + 0.7548776662466927 * n) * static_cast<double>(grid.height);
  const double column = fraction(0.5 + 0.5698402909980532 * n) * static_cast<double>(grid.width);
  return {static_cast<int64_t>(row), static_cast<int64_t>(column)};
}

std::string CoordinateModeName(CoordinateMode mode) {
  return mode == CoordinateMode::kExact ? "exact" : "reference";
}

}  // namespace hiif
