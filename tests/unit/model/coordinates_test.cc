#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "model/layers/coordinates.h"

namespace hiif {
namespace {

TEST(ExactCoordinates, AreThoseOfRationalArithmetic) {
  for (const auto& [low, high] : {std::pair<int64_t, int64_t>{5, 5},
                                  {7, 14},
                                  {13, 35},
                                  {48, 149},
                                  {3, 96},
                                  {1, 17},
                                  {1, 1},
                                  {20000, 40001}}) {
    const AxisTable axis = MakeAxis(CoordinateMode::kExact, low, high, 6);
    ASSERT_EQ(axis.size(), high);
    for (int64_t i = 0; i < high; ++i) {
      // Position ((2i+1) low - high) / (2 high) in low-resolution pixels.
      const int64_t numerator = (2 * i + 1) * low - high;
      const int64_t k = numerator >= 0 ? numerator / (2 * high) : -1;
      const int64_t remainder = numerator - k * 2 * high;
      ASSERT_GE(remainder, 0);
      ASSERT_LT(remainder, 2 * high);
      EXPECT_EQ(axis.index[0][i], std::max<int64_t>(k, 0));
      EXPECT_EQ(axis.index[1][i], std::min<int64_t>(k + 1, low - 1));
      EXPECT_FLOAT_EQ(axis.local[i],
                      static_cast<float>(static_cast<double>(remainder) / (2.0 * high)));
      for (int level = 0; level < 6; ++level)
        EXPECT_EQ(axis.bit(level, i), remainder * (int64_t{2} << level) / (2 * high) % 2);
    }
  }
}

TEST(ExactCoordinates, AtPixelCentresAreTheTable) {
  std::vector<double> centres;
  for (int i = 0; i < 31; ++i) centres.push_back((2.0 * i + 1) / 31 - 1);
  const AxisTable at = MakeAxisAt(centres, 12, 6);
  const AxisTable axis = MakeAxis(CoordinateMode::kExact, 12, 31, 6);
  EXPECT_EQ(at.index, axis.index);
  for (int64_t i = 0; i < 31; ++i) EXPECT_NEAR(at.local[i], axis.local[i], 1e-6);
}

// Centres that fall on pixels (odd factors) or on steps of the hierarchy (x4) are no exception.
TEST(ExactCoordinates, AtPixelCentresOfWholeFactorsAreTheTableToo) {
  for (int low = 1; low < 200; low += 3) {
    for (const int factor : {1, 2, 3, 4, 5, 8}) {
      const int high = low * factor;
      std::vector<double> centres;
      for (int i = 0; i < high; ++i) centres.push_back((2.0 * i + 1) / high - 1);
      const AxisTable at = MakeAxisAt(centres, low, 6);
      const AxisTable axis = MakeAxis(CoordinateMode::kExact, low, high, 6);
      EXPECT_EQ(at.index, axis.index) << low << " x " << factor;
      EXPECT_EQ(at.bits, axis.bits) << low << " x " << factor;
      EXPECT_EQ(at.sample, axis.sample) << low << " x " << factor;
      for (int i = 0; i < high; ++i) EXPECT_NEAR(at.local[i], axis.local[i], 1e-6);
    }
  }
}

TEST(ExactCoordinates, DoNotDependOnWhatLiesFarAway) {
  // The same phase at every low-resolution pixel of an integer scale, whatever the image's size.
  const AxisTable small = MakeAxis(CoordinateMode::kExact, 8, 32, 6);
  const AxisTable large = MakeAxis(CoordinateMode::kExact, 5000, 20000, 6);
  for (int64_t i = 4; i < 20; ++i)
    for (int level = 0; level < 6; ++level)
      EXPECT_EQ(small.bit(level, i), large.bit(level, i + 4 * 3000));
}

// Tables of a region are those of the whole axis, cut, and no longer than the region.
TEST(Coordinates, OfARegionAreThoseOfTheAxis) {
  for (const CoordinateMode mode : {CoordinateMode::kExact, CoordinateMode::kReference}) {
    for (const auto& [low, high] : {std::pair<int64_t, int64_t>{7, 31}, {48, 192}, {1, 32}}) {
      const AxisTable all = MakeAxis(mode, low, high, 6);
      const std::vector<int64_t> pixels = {high - 1, 0, high / 2, 0};
      const AxisTable some = MakeAxis(mode, low, high, 6, pixels);
      const AxisTable range = MakeAxis(mode, low, high, 6, 3, 9);
      ASSERT_EQ(range.size(), 6);
      const auto expect_same = [&](const AxisTable& table, int64_t i, int64_t pixel) {
        EXPECT_EQ(table.coordinate[i], all.coordinate[pixel]);
        EXPECT_EQ(table.local[i], all.local[pixel]);
        EXPECT_EQ(table.sample[i], all.sample[pixel]);
        EXPECT_EQ(table.fraction[i], all.fraction[pixel]);
        for (int v = 0; v < 2; ++v) {
          EXPECT_EQ(table.index[v][i], all.index[v][pixel]);
          EXPECT_EQ(table.distance[v][i], all.distance[v][pixel]);
        }
        for (int level = 0; level < 6; ++level)
          EXPECT_EQ(table.bit(level, i), all.bit(level, pixel));
      };
      for (size_t i = 0; i < pixels.size(); ++i) expect_same(some, i, pixels[i]);
      for (int64_t i = 0; i < 6; ++i) expect_same(range, i, i + 3);
    }
  }
  // An axis whose whole table would take gigabytes.
  EXPECT_EQ(MakeAxis(CoordinateMode::kExact, 1 << 30, int64_t{32} << 30, 6, 0, 4).size(), 4);
}

TEST(EnsembleWeights, SumToOne) {
  for (const CoordinateMode mode : {CoordinateMode::kExact, CoordinateMode::kReference}) {
    const AxisTable rows = MakeAxis(mode, 9, 25, 6);
    const AxisTable columns = MakeAxis(mode, 11, 23, 6);
    for (int64_t y = 0; y < rows.size(); ++y) {
      for (int64_t x = 0; x < columns.size(); ++x) {
        float sum = 0;
        for (const float weight : EnsembleWeights(rows, y, columns, x)) {
          EXPECT_GE(weight, 0.0f);
          sum += weight;
        }
        EXPECT_NEAR(sum, 1.0f, 1e-5);
      }
    }
  }
}

TEST(HiifCell, StaysAtThatOfFourTimes) {
  EXPECT_FLOAT_EQ(HiifCell(10, 20), 1.0f);
  EXPECT_FLOAT_EQ(HiifCell(10, 40), 0.5f);
  EXPECT_FLOAT_EQ(HiifCell(10, 300), 0.5f);
  EXPECT_FLOAT_EQ(LiifCell(10, 300), 20.0f / 300);
}

TEST(SamplePosition, IsTheR2Sequence) {
  const Grid grid{100, 200};
  for (int64_t i = 0; i < 1000; ++i) {
    const GridPosition p = SamplePosition(grid, i);
    double whole = 0;
    EXPECT_EQ(p.row,
              static_cast<int64_t>(
                  std::modf(0.5 + 0.7548776662466927 * static_cast<double>(i), &whole) * 100));
    EXPECT_EQ(p.column,
              static_cast<int64_t>(
                  std::modf(0.5 + 0.5698402909980532 * static_cast<double>(i), &whole) * 200));
  }
}

}  // namespace
}  // namespace hiif
