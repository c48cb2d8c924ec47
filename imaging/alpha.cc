#include "imaging/alpha.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <type_traits>
#include <vector>

namespace hiif {
namespace {

template <typename T>
constexpr float kFull = std::is_same_v<T, float> ? 1.0f : std::numeric_limits<T>::max();

// Calls f with a null pointer of the sample's type.
template <typename F>
void ByType(SampleType type, F f) {
  if (type == SampleType::kU8) f(static_cast<uint8_t*>(nullptr));
  if (type == SampleType::kU16) f(static_cast<uint16_t*>(nullptr));
  if (type == SampleType::kF32) f(static_cast<float*>(nullptr));
}

// --- ContinueColour

struct Cell {
  std::array<float, 3> colour = {0, 0, 0};  // mean weighted by alpha, in units of the samples
  float alpha = 0;                          // mean, 0 to 1
};

struct Level {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<Cell> cells;
  const Cell& at(int64_t x, int64_t y) const { return cells[y * width + x]; }
};

// The largest alpha within one pixel; alpha(x, y) gives one.
template <typename Alpha>
float LargestAround(int64_t x, int64_t y, int64_t width, int64_t height, Alpha alpha) {
  float most = 0;
  for (int64_t v = std::max<int64_t>(0, y - 1); v <= std::min(height - 1, y + 1); ++v)
    for (int64_t u = std::max<int64_t>(0, x - 1); u <= std::min(width - 1, x + 1); ++u)
      most = std::max(most, alpha(u, v));
  return most;
}

// The colour of a level at pixel (x, y) of the level below, bilinearly.
std::array<float, 3> Above(const Level& level, int64_t x, int64_t y) {
  // The centre of a pixel lies a quarter cell before or after that of its cell.
  const auto neighbour = [](int64_t i, int64_t n) {
    return std::clamp<int64_t>(i % 2 == 0 ? i / 2 - 1 : i / 2 + 1, 0, n - 1);
  };
  const int64_t x0 = x / 2, x1 = neighbour(x, level.width);
  const int64_t y0 = y / 2, y1 = neighbour(y, level.height);
  std::array<float, 3> out;
  for (int c = 0; c < 3; ++c)
    out[c] = 0.5625f * level.at(x0, y0).colour[c] + 0.1875f * level.at(x1, y0).colour[c] +
             0.1875f * level.at(x0, y1).colour[c] + 0.0625f * level.at(x1, y1).colour[c];
  return out;
}

// Halves width x height pixels, of which get(x, y) gives one as a Cell.
template <typename Get>
Level Halve(int64_t width, int64_t height, Get get) {
  Level level{(width + 1) / 2, (height + 1) / 2, {}};
  level.cells.resize(level.width * level.height);
  for (int64_t y = 0; y < level.height; ++y) {
    for (int64_t x = 0; x < level.width; ++x) {
      Cell& cell = level.cells[y * level.width + x];
      int pixels = 0;
      for (int64_t v = 2 * y; v < std::min(height, 2 * y + 2); ++v) {
        for (int64_t u = 2 * x; u < std::min(width, 2 * x + 2); ++u, ++pixels) {
          const Cell pixel = get(u, v);
          cell.alpha += pixel.alpha;
          for (int c = 0; c < 3; ++c) cell.colour[c] += pixel.alpha * pixel.colour[c];
        }
      }
      if (cell.alpha > 0)
        for (float& c : cell.colour) c /= cell.alpha;
      cell.alpha /= static_cast<float>(pixels);
    }
  }
  return level;
}

// Replaces what is transparent in a level by what surrounds it, coarse to fine.
void Resolve(Level* level) {
  if (level->width == 1 && level->height == 1) return;
  Level above =
      Halve(level->width, level->height, [level](int64_t x, int64_t y) { return level->at(x, y); });
  Resolve(&above);
  const auto alpha = [level](int64_t x, int64_t y) { return level->at(x, y).alpha; };
  for (int64_t y = 0; y < level->height; ++y) {
    for (int64_t x = 0; x < level->width; ++x) {
      Cell& cell = level->cells[y * level->width + x];
      const float most = LargestAround(x, y, level->width, level->height, alpha);
      const float w = most > 0 ? cell.alpha / most : 0;
      if (w == 1) continue;
      const std::array<float, 3> around = Above(above, x, y);
      for (int c = 0; c < 3; ++c) cell.colour[c] = w * cell.colour[c] + (1 - w) * around[c];
    }
  }
}

template <typename A, typename T>
void Continue(const A* alpha, T* colour, int64_t width, int64_t height) {
  const auto unit = [=](int64_t x, int64_t y) {
    return static_cast<float>(alpha[y * width + x]) / kFull<A>;
  };
  Level above = Halve(width, height, [&](int64_t x, int64_t y) {
    const T* c = colour + 3 * (y * width + x);
    return Cell{{static_cast<float>(c[0]), static_cast<float>(c[1]), static_cast<float>(c[2])},
                unit(x, y)};
  });
  const bool visible = std::any_of(above.cells.begin(), above.cells.end(),
                                   [](const Cell& cell) { return cell.alpha > 0; });
  if (!visible) return;  // nothing to continue
  Resolve(&above);
  constexpr float kHalf = std::is_same_v<T, float> ? 0.0f : 0.5f;  // rounds
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const float own = unit(x, y);
      if (own == 1) continue;
      const float most = LargestAround(x, y, width, height, unit);
      const float w = most > 0 ? own / most : 0;
      if (w == 1) continue;
      const std::array<float, 3> around = Above(above, x, y);
      T* c = colour + 3 * (y * width + x);
      for (int i = 0; i < 3; ++i)
        c[i] = static_cast<T>(w * static_cast<float>(c[i]) + (1 - w) * around[i] + kHalf);
    }
  }
}

// --- ResampleAlpha

constexpr int kTaps = 4;

struct Taps {
  int64_t index[kTaps];
  float weight[kTaps];
};

double Lanczos2(double x) {
  if (std::abs(x) < 1e-12) return 1;
  if (std::abs(x) >= 2) return 0;
  const double a = std::numbers::pi * x;
  return 2 * std::sin(a) * std::sin(a / 2) / (a * a);
}

Taps TapsAt(int64_t position, int64_t out_length, int64_t in_length) {
  const double centre = (static_cast<double>(position) + 0.5) * static_cast<double>(in_length) /
                            static_cast<double>(out_length) -
                        0.5;
  const int64_t first = static_cast<int64_t>(std::floor(centre)) - 1;
  double weight[kTaps];
  double sum = 0;
  for (int k = 0; k < kTaps; ++k) {
    weight[k] = Lanczos2(centre - static_cast<double>(first + k));
    sum += weight[k];
  }
  Taps taps;
  for (int k = 0; k < kTaps; ++k) {
    taps.index[k] = std::clamp<int64_t>(first + k, 0, in_length - 1);
    taps.weight[k] = static_cast<float>(weight[k] / sum);
  }
  return taps;
}

template <typename T>
void Resample(const T* alpha, Grid input, Grid grid, Region region, float* out) {
  std::vector<Taps> columns(region.width);
  for (int64_t x = 0; x < region.width; ++x)
    columns[x] = TapsAt(region.x + x, grid.width, input.width);
  // Input rows resampled horizontally; of four rows in turn no two share a place.
  std::array<std::vector<float>, kTaps> rows;
  std::array<int64_t, kTaps> row_at = {-1, -1, -1, -1};
  const auto row = [&](int64_t y) -> const float* {
    std::vector<float>& values = rows[y % kTaps];
    if (row_at[y % kTaps] == y) return values.data();
    row_at[y % kTaps] = y;
    values.resize(region.width);
    const T* in = alpha + y * input.width;
    for (int64_t x = 0; x < region.width; ++x) {
      const Taps& t = columns[x];
      float sum = 0;
      for (int k = 0; k < kTaps; ++k)
        sum += t.weight[k] * (static_cast<float>(in[t.index[k]]) * (1.0f / kFull<T>));
      values[x] = sum;
    }
    return values.data();
  };
  for (int64_t y = 0; y < region.height; ++y, out += region.width) {
    const Taps t = TapsAt(region.y + y, grid.height, input.height);
    const float* in[kTaps];
    for (int k = 0; k < kTaps; ++k) in[k] = row(t.index[k]);
    for (int64_t x = 0; x < region.width; ++x) {
      const float v = t.weight[0] * in[0][x] + t.weight[1] * in[1][x] + t.weight[2] * in[2][x] +
                      t.weight[3] * in[3][x];
      out[x] = std::clamp(v, 0.0f, 1.0f);
    }
  }
}

}  // namespace

void ContinueColour(const Plane& alpha, RgbImage* colour) {
  ByType(alpha.type, [&]<typename A>(A*) {
    ByType(colour->type, [&]<typename T>(T*) {
      Continue(reinterpret_cast<const A*>(alpha.samples.data()),
               reinterpret_cast<T*>(colour->samples.data()), colour->width, colour->height);
    });
  });
}

// A quarter of the pixels, a sixteenth, ...; of what is one pixel wide a half, a quarter, ...
int64_t ColourUnderAlphaBytes(Grid size) {
  int64_t cells = 0;
  while (size.width > 1 || size.height > 1) {
    size = {(size.height + 1) / 2, (size.width + 1) / 2};
    cells += size.width * size.height;
  }
  return cells * static_cast<int64_t>(sizeof(Cell));
}

void ResampleAlpha(const Plane& alpha, Grid input, Grid grid, Region region,
                   absl::Span<float> out) {
  ByType(alpha.type, [&]<typename T>(T*) {
    Resample(reinterpret_cast<const T*>(alpha.samples.data()), input, grid, region, out.data());
  });
}

}  // namespace hiif
