#include "train/patterns.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/bicubic.h"

namespace hiif::train {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }
int64_t Whole(double value) { return static_cast<int64_t>(value); }

using Levels = std::vector<double>;  // side * side values in [0,1], row by row
using Colour = std::array<double, 3>;

struct Inks {
  Colour dark;
  Colour light;
};

// Black on white, two greys, or two colours.
Inks DrawInks(Random& random) {
  const uint64_t kind = random.Below(8);
  if (kind < 3) return {{0, 0, 0}, {255, 255, 255}};
  if (kind < 6) {
    const double a = std::floor(random.Uniform(0, 256));
    const double b = std::floor(random.Uniform(0, 256));
    return {{a, a, a}, {b, b, b}};
  }
  Inks inks;
  for (int c = 0; c < 3; ++c) {
    inks.dark[c] = std::floor(random.Uniform(0, 256));
    inks.light[c] = std::floor(random.Uniform(0, 256));
  }
  return inks;
}

RgbImage Painted(const Levels& levels, int64_t side, const Inks& inks) {
  RgbImage out{SampleType::kU8, side, side, {}};
  out.samples.reserve(side * side * 3);
  for (const double level : levels) {
    for (int c = 0; c < 3; ++c) {
      const double value = inks.dark[c] + (inks.light[c] - inks.dark[c]) * level;
      out.samples.push_back(static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 255.0))));
    }
  }
  return out;
}

// The tone that a dither stands for: flat, or a gradient.
Levels DrawTone(int64_t side, Random& random) {
  const double base = random.Uniform(0.05, 0.95);
  const double slope = random.Below(2) == 0 ? 0.0 : random.Uniform(0.2, 1.0);
  const double angle = random.Uniform(0, 2 * std::numbers::pi);
  Levels out(side * side);
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      const double along = (std::cos(angle) * (Real(x) - 0.5 * Real(side)) +
                            std::sin(angle) * (Real(y) - 0.5 * Real(side))) /
                           Real(side);
      out[y * side + x] = std::clamp(base + slope * along, 0.0, 1.0);
    }
  }
  return out;
}

// Bayer's matrix of order 2^bits, thresholds in (0,1).
double BayerThreshold(int64_t y, int64_t x, int bits) {
  int64_t value = 0;
  for (int bit = 0; bit < bits; ++bit) {
    const int64_t row = (y >> bit) & 1;
    const int64_t column = (x >> bit) & 1;
    value = value * 4 + ((row ^ column) * 2 + row);
  }
  return (static_cast<double>(value) + 0.5) / static_cast<double>(int64_t{1} << (2 * bits));
}

void OrderedDither(Levels& tone, int64_t side, Random& random) {
  const int bits = 1 + static_cast<int>(random.Below(3));
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      double& level = tone[y * side + x];
      level = level > BayerThreshold(y, x, bits) ? 1.0 : 0.0;
    }
  }
}

// Floyd and Steinberg's weights.
void ErrorDiffusion(Levels& tone, int64_t side) {
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      double& level = tone[y * side + x];
      const double error = level - (level > 0.5 ? 1.0 : 0.0);
      level -= error;
      const auto spread = [&](int64_t row, int64_t column, double part) {
        if (row < side && column >= 0 && column < side) tone[row * side + column] += error * part;
      };
      spread(y, x + 1, 7.0 / 16);
      spread(y + 1, x - 1, 3.0 / 16);
      spread(y + 1, x, 5.0 / 16);
      spread(y + 1, x + 1, 1.0 / 16);
    }
  }
}

// Cells of their own sizes, lines or dots of so many pixels in each period.
void Repeated(Levels& out, int64_t side, Random& random) {
  const uint64_t kind = random.Below(5);
  const auto period = 2 + static_cast<int64_t>(random.Below(7));
  const auto on = 1 + static_cast<int64_t>(random.Below(std::min<int64_t>(period - 1, 3)));
  const auto tall = 1 + static_cast<int64_t>(random.Below(4));
  const auto wide = random.Below(3) == 0 ? 1 + static_cast<int64_t>(random.Below(4)) : tall;
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      bool ink = false;
      if (kind <= 1) ink = (y / tall + x / wide) % 2 == 0;
      if (kind == 2) ink = x % period < on;
      if (kind == 3) ink = (x + y) % period < on;
      if (kind == 4) ink = x % period < on && y % period < on;
      out[y * side + x] = ink ? 1.0 : 0.0;
    }
  }
}

void Noise(Levels& tone, Random& random) {
  const double deviation = random.Uniform(0.005, 0.15);
  for (double& level : tone) level = std::clamp(level + deviation * random.Normal(), 0.0, 1.0);
}

Levels DrawPixels(int64_t side, Random& random) {
  Levels levels = DrawTone(side, random);
  switch (random.Below(6)) {
    case 0:
      OrderedDither(levels, side, random);
      break;
    case 1:
    case 2:
      ErrorDiffusion(levels, side);
      break;
    case 3:
    case 4:
      Repeated(levels, side, random);
      break;
    default:
      Noise(levels, random);
  }
  return levels;
}

struct Point {
  double x = 0;
  double y = 0;
};

double DistanceToSegment(Point p, Point a, Point b) {
  const double dx = b.x - a.x;
  const double dy = b.y - a.y;
  const double square = dx * dx + dy * dy;
  const double t =
      square > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / square, 0.0, 1.0) : 0.0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

// Ink of strokes, soft by one pixel at the edge.
void Stroke(Levels& out, int64_t side, Point a, Point b, double thickness) {
  const double reach = 0.5 * thickness + 1;
  const auto low = [&](double v) { return std::max<int64_t>(0, Whole(std::floor(v - reach))); };
  const auto high = [&](double v) {
    return std::min<int64_t>(side - 1, Whole(std::ceil(v + reach)));
  };
  for (int64_t y = low(std::min(a.y, b.y)); y <= high(std::max(a.y, b.y)); ++y) {
    for (int64_t x = low(std::min(a.x, b.x)); x <= high(std::max(a.x, b.x)); ++x) {
      const double away = DistanceToSegment({static_cast<double>(x), static_cast<double>(y)}, a, b);
      double& level = out[y * side + x];
      level = std::max(level, std::clamp(0.5 * thickness - away + 0.5, 0.0, 1.0));
    }
  }
}

// Lines of letter-like signs: a few strokes between the points of a grid of 3 x 4.
void Text(Levels& out, int64_t side, Random& random) {
  const double height = random.Uniform(5, 14) * kDetail;
  const double width = height * random.Uniform(0.45, 0.7);
  const double thickness = std::max(height * random.Uniform(0.08, 0.2), 1.0);
  const bool upright = random.Below(2) == 0;
  for (double y = 0; y < static_cast<double>(side); y += height * 1.5) {
    for (double x = 0; x < static_cast<double>(side); x += width * 1.45) {
      const uint64_t strokes = 2 + random.Below(3);
      Point from{static_cast<double>(random.Below(3)), static_cast<double>(random.Below(4))};
      for (uint64_t i = 0; i < strokes; ++i) {
        Point to{static_cast<double>(random.Below(3)), static_cast<double>(random.Below(4))};
        if (upright && i % 2 == 0) to.x = from.x;
        if (upright && i % 2 == 1) to.y = from.y;
        const auto place = [&](Point p) {
          return Point{x + p.x * width / 2, y + p.y * height / 3};
        };
        Stroke(out, side, place(from), place(to), thickness);
        from = to;
      }
    }
  }
}

// A screen of discs at an angle, whose size follows the tone.
void Halftone(Levels& out, int64_t side, Random& random) {
  const Levels tone = DrawTone(side, random);
  const double pitch = random.Uniform(2.5, 9) * kDetail;
  const double angle = random.Uniform(0, std::numbers::pi);
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      const double u = (std::cos(angle) * Real(x) + std::sin(angle) * Real(y)) / pitch;
      const double v = (std::cos(angle) * Real(y) - std::sin(angle) * Real(x)) / pitch;
      const double away = std::hypot(u - std::round(u), v - std::round(v)) * pitch;
      const double radius = pitch * std::sqrt(tone[y * side + x] / std::numbers::pi);
      out[y * side + x] = std::clamp(radius - away + 0.5, 0.0, 1.0);
    }
  }
}

void Lines(Levels& out, int64_t side, Random& random) {
  const uint64_t count = 1 + random.Below(8);
  const auto place = [&] { return random.Uniform(-0.2, 1.2) * static_cast<double>(side); };
  for (uint64_t i = 0; i < count; ++i) {
    const Point from{place(), place()};
    Stroke(out, side, from, {place(), place()}, random.Uniform(0.5, 3) * kDetail);
  }
}

// A straight edge between two areas.
void Edge(Levels& out, int64_t side, Random& random) {
  const double angle = random.Below(2) == 0
                           ? 0.5 * std::numbers::pi * Real(static_cast<int64_t>(random.Below(4)))
                           : random.Uniform(0, 2 * std::numbers::pi);
  const double offset = random.Uniform(-0.3, 0.3) * static_cast<double>(side);
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      const double along = std::cos(angle) * (Real(x) - 0.5 * Real(side)) +
                           std::sin(angle) * (Real(y) - 0.5 * Real(side));
      out[y * side + x] = std::clamp(along - offset + 0.5, 0.0, 1.0);
    }
  }
}

Levels DrawDetail(int64_t side, Random& random) {
  Levels levels(side * side, 0.0);
  switch (random.Below(6)) {
    case 0:
    case 1:
      Text(levels, side, random);
      break;
    case 2:
      Halftone(levels, side, random);
      break;
    case 3:
      Lines(levels, side, random);
      break;
    case 4:
      Edge(levels, side, random);
      break;
    default:
      levels = DrawTone(side, random);
  }
  return levels;
}

}  // namespace

Pattern DrawPattern(int64_t side, Random& random) {
  const Inks inks = DrawInks(random);
  if (random.Below(5) < 3) return {Painted(DrawPixels(side, random), side, inks), {}};
  const int64_t large = side * kDetail;
  RgbImage detail = Painted(DrawDetail(large, random), large, inks);
  RgbImage patch = ResizeBicubic(detail, {side, side});
  return {std::move(patch), std::move(detail)};
}

RgbImage EnlargedPattern(const Pattern& pattern, int64_t size) {
  if (!pattern.detail.samples.empty()) return ResizeBicubic(pattern.detail, {size, size});
  const int64_t side = pattern.patch.height;
  // The two pixels around each place of an axis and the part of the second.
  struct Place {
    int64_t first, second;
    double part;
  };
  std::vector<Place> places;
  for (int64_t i = 0; i < size; ++i) {
    const double at = (Real(2 * i + 1) * Real(side) - Real(size)) / Real(2 * size);
    const auto first = static_cast<int64_t>(std::floor(at));
    places.push_back({std::max<int64_t>(first, 0), std::min(first + 1, side - 1),
                      at - static_cast<double>(first)});
  }
  RgbImage out{SampleType::kU8, size, size, {}};
  out.samples.reserve(size * size * 3);
  for (const Place& y : places) {
    for (const Place& x : places) {
      for (int64_t c = 0; c < 3; ++c) {
        const auto level = [&](int64_t row, int64_t column) {
          return static_cast<double>(pattern.patch.samples[(row * side + column) * 3 + c]);
        };
        const double above = std::lerp(level(y.first, x.first), level(y.first, x.second), x.part);
        const double below = std::lerp(level(y.second, x.first), level(y.second, x.second), x.part);
        out.samples.push_back(static_cast<uint8_t>(std::lround(std::lerp(above, below, y.part))));
      }
    }
  }
  return out;
}

}  // namespace hiif::train
