#include "model/layers/axis_position.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace hiif {
namespace {

constexpr std::pair<int64_t, int64_t> kAxes[] = {{1, 1},  {1, 5},   {2, 2},   {3, 9},
                                                 {7, 31}, {24, 60}, {20, 66}, {48, 192}};

AxisPosition Exact(int64_t low, int64_t high, double pixel) {
  return {CoordinateMode::kExact, low, high, pixel};
}
AxisPosition Reference(int64_t low, int64_t high, double pixel) {
  return {CoordinateMode::kReference, low, high, pixel};
}

// The two modes say the same where no tie and no rim is near.
TEST(AxisPosition, ModesAgree) {
  int64_t differences = 0;
  int64_t compared = 0;
  for (const auto& [low, high] : kAxes) {
    for (int64_t i = 0; i < high; ++i) {
      const AxisPosition e = Exact(low, high, static_cast<double>(i));
      const AxisPosition r = Reference(low, high, static_cast<double>(i));
      const double position = RealPosition(e);
      const auto near = [](double a, double b) { return std::fabs(a - b) < 1e-3; };
      compared += 4;
      const PairPosition pe = PairAt(e), pr = PairAt(r);
      differences +=
          !(near(pe.distance[0], pr.distance[0]) && near(pe.distance[1], pr.distance[1]));
      differences += EdgeAt(e).index != EdgeAt(r).index;
      const StepPosition se = StepAt(e), sr = StepAt(r);
      differences += se.index != sr.index;
      differences += se.centre != sr.centre;
      EXPECT_NEAR(static_cast<double>(pe.index[0]) + pe.distance[0] / 2, position, 1e-5);
      EXPECT_NEAR(static_cast<double>(pr.index[0]) + pr.distance[0] / 2, position, 1e-4);
      const BilinearPosition be = BilinearAt(e), br = BilinearAt(r);
      EXPECT_NEAR(static_cast<double>(be.lower) + be.fraction, position, 1e-5);
      EXPECT_NEAR(static_cast<double>(br.lower) + br.fraction, position, 1e-4);
    }
  }
  // Ties (x2.5, x3.3, x1) may fall either way.
  EXPECT_LT(differences, compared / 10);
}

TEST(AxisPosition, StayInTheImage) {
  for (const CoordinateMode mode : {CoordinateMode::kExact, CoordinateMode::kReference}) {
    for (const auto& [low, high] : kAxes) {
      for (int64_t i = 0; i < high; ++i) {
        const AxisPosition p{mode, low, high, static_cast<double>(i)};
        std::vector<int32_t> all = {EdgeAt(p).index, StepAt(p).centre};
        for (int v = 0; v < 2; ++v) {
          all.push_back(PairAt(p).index[v]);
          all.push_back(StepAt(p).index[v]);
        }
        for (const int32_t index : all) {
          EXPECT_GE(index, 0);
          EXPECT_LT(index, low);
        }
        EXPECT_GT(EdgeAt(p).fraction, -1e-4);
        EXPECT_LT(EdgeAt(p).fraction, 1 + 1e-4);
        const auto weights = PairWeights(mode, PairAt(p), PairAt(p));
        EXPECT_NEAR(weights[0] + weights[1] + weights[2] + weights[3], 1.0, 1e-6);
      }
    }
  }
}

// CiaoSR: at x3 the middle pixel skips its nearest neighbour, below x2 both may be the same.
TEST(AxisPosition, CiaoSrSkipsAndCoincides) {
  const StepPosition middle = StepAt(Exact(8, 24, 10));
  EXPECT_EQ(middle.centre, 3);
  EXPECT_EQ(middle.index[0], 2);
  EXPECT_EQ(middle.index[1], 4);
  int same = 0;
  for (int i = 0; i < 18; ++i)
    same += StepAt(Exact(12, 18, i)).index[0] == StepAt(Exact(12, 18, i)).index[1];
  EXPECT_GT(same, 0);
}

TEST(AxisPosition, WindowsKnowTheRim) {
  std::array<int64_t, 7> index;
  std::array<float, 7> distance;
  for (const CoordinateMode mode : {CoordinateMode::kExact, CoordinateMode::kReference}) {
    const int64_t centre =
        WindowAt({mode, 9, 27, 4}, 3, absl::MakeSpan(index), absl::MakeSpan(distance));
    EXPECT_EQ(centre, 1);
    EXPECT_EQ(index, (std::array<int64_t, 7>{-1, -1, 0, 1, 2, 3, 4}));
    EXPECT_NEAR(distance[3], 0, 1e-5);
    EXPECT_NEAR(distance[0], 6, 1e-5);
  }
}

// A coordinate that is a pixel's centre but for rounding is that pixel, to the last bit.
TEST(AxisPosition, AQueryAtAPixelIsThePixel) {
  for (const auto& [low, high] : kAxes) {
    for (int64_t i = 0; i < high; ++i) {
      const double at = (2.0 * static_cast<double>(i) + 1) / static_cast<double>(high) - 1.0;
      EXPECT_EQ(PixelAt(at, high), static_cast<double>(i));
    }
  }
  EXPECT_EQ(PixelAt(0.2, 10), 5.5);
  // Between pixels the formulas go on: close to a pixel, close to its values.
  for (int i = 1; i < 59; ++i) {
    const StepPosition at = StepAt(Exact(24, 60, i)), beside = StepAt(Exact(24, 60, i + 1e-4));
    EXPECT_NEAR(at.distance[0] + 2 * at.index[0], beside.distance[0] + 2 * beside.index[0], 1e-3);
    EXPECT_NEAR(EdgeAt(Exact(24, 60, i)).index + EdgeAt(Exact(24, 60, i)).fraction,
                EdgeAt(Exact(24, 60, i + 1e-4)).index + EdgeAt(Exact(24, 60, i + 1e-4)).fraction,
                1e-3);
  }
}

// Sizes at the limits of what a request may ask do not overflow.
TEST(AxisPosition, HoldForHugeAxes) {
  const int64_t low = 1'000'000;
  const int64_t high = 64 * low;
  for (const int64_t i : {int64_t{0}, high / 3, high - 1}) {
    const AxisPosition p = Exact(low, high, static_cast<double>(i));
    EXPECT_NEAR(StepAt(p).centre, RealPosition(p), 0.51);
    EXPECT_NEAR(StepAt(p).index[0], RealPosition(p) - 0.5, 1.01);
    EXPECT_NEAR(PairAt(p).index[0], RealPosition(p), 1.01);
    EXPECT_NEAR(EdgeAt(p).index, RealPosition(p) + 0.5, 1.01);
  }
}

}  // namespace
}  // namespace hiif
