#include "imaging/geometry.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hiif {
namespace {

using ::testing::HasSubstr;

Grid Size(int64_t width, int64_t height) { return {height, width}; }

TEST(ScaledLength, RoundsHalfUpOnce) {
  EXPECT_EQ(ScaledLength(5, 2.7), 14);  // 13.5
  EXPECT_EQ(ScaledLength(5, 1.1), 6);   // 5.5
  EXPECT_EQ(ScaledLength(3, 1.5), 5);   // 4.5
  EXPECT_EQ(ScaledLength(1, 1.0), 1);
  EXPECT_EQ(ScaledLength(1, 1.49), 1);
  EXPECT_EQ(ScaledLength(1000, 1.001), 1001);
  EXPECT_EQ(ScaledLength(499, 1.001), 499);
  EXPECT_EQ(ScaledLength(16384, 30), 491520);
  // The double below one half is not one half, though floor(x + 0.5) says so.
  EXPECT_EQ(ScaledLength(1, std::nextafter(1.5, 1.0)), 1);
}

TEST(GridFromScale, BothFactors) {
  EXPECT_EQ(*GridFromScale(Size(100, 50), 2.7, 3.1), Size(270, 155));
  EXPECT_EQ(*GridFromScale(Size(100, 50), 2, 0), Size(200, 100));
  EXPECT_EQ(*GridFromScale(Size(100, 50), 1, 0), Size(100, 50));
}

TEST(GridFromScale, RefusesWhatIsOutOfRange) {
  const double bad[] = {0,
                        -1,
                        0.5,
                        0.999,
                        32.1,
                        1e9,
                        std::numeric_limits<double>::infinity(),
                        std::numeric_limits<double>::quiet_NaN()};
  for (const double scale : bad) {
    const auto grid = GridFromScale(Size(10, 10), scale, 2);
    ASSERT_EQ(grid.status().code(), absl::StatusCode::kInvalidArgument) << scale;
    EXPECT_THAT(std::string(grid.status().message()), HasSubstr("rx: "));
    EXPECT_THAT(std::string(grid.status().message()), HasSubstr("1 to 32"));
    if (scale != 0) {
      EXPECT_THAT(std::string(GridFromScale(Size(10, 10), 2, scale).status().message()),
                  HasSubstr("ry: "));
    }
  }
  EXPECT_FALSE(GridFromScale(Size(0, 10), 2, 2).ok());
}

TEST(GridFromTarget, OneSideFollowsFromTheOther) {
  EXPECT_EQ(*GridFromTarget(Size(3, 2), 5, 0), Size(5, 3));  // 3.33
  EXPECT_EQ(*GridFromTarget(Size(4, 2), 5, 0), Size(5, 3));  // 2.5, up
  EXPECT_EQ(*GridFromTarget(Size(3, 2), 0, 4), Size(6, 4));
  EXPECT_EQ(*GridFromTarget(Size(3, 2), 90, 3), Size(90, 3));
}

TEST(GridFromTarget, NamesTheSideThatDoesNotFit) {
  const auto small = GridFromTarget(Size(100, 50), 99, 60);
  EXPECT_EQ(small.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(small.status().message()), HasSubstr("width: 99"));
  const auto large = GridFromTarget(Size(100, 50), 100, 1601);
  EXPECT_THAT(std::string(large.status().message()), HasSubstr("height: 1601"));
  EXPECT_FALSE(GridFromTarget(Size(1, 1), 0, 0).ok());
  EXPECT_FALSE(GridFromTarget(Size(1, 1), -5, 0).ok());
  EXPECT_FALSE(GridFromTarget(Size(1, 1), std::numeric_limits<int64_t>::max(), 0).ok());
}

TEST(GridInside, MeetsOneSideExactly) {
  EXPECT_EQ(*GridInside(Size(300, 200), 1000, 1000), Size(1000, 667));
  EXPECT_EQ(*GridInside(Size(200, 300), 1000, 1000), Size(667, 1000));
  EXPECT_EQ(*GridInside(Size(200, 100), 400, 200), Size(400, 200));
  EXPECT_FALSE(GridInside(Size(200, 100), 0, 200).ok());
}

TEST(GridFromLongSide, IsTheLongerOne) {
  EXPECT_EQ(*GridFromLongSide(Size(300, 200), 600), Size(600, 400));
  EXPECT_EQ(*GridFromLongSide(Size(200, 300), 600), Size(400, 600));
  EXPECT_FALSE(GridFromLongSide(Size(200, 300), 299).ok());
}

TEST(GridFromMegapixels, HasAboutThatMany) {
  EXPECT_EQ(*GridFromMegapixels(Size(1000, 1000), 4), Size(2000, 2000));
  const Grid grid = *GridFromMegapixels(Size(640, 427), 12);
  EXPECT_NEAR(grid.width * grid.height / 12e6, 1, 1e-3);
  EXPECT_FALSE(GridFromMegapixels(Size(1000, 1000), 0.5).ok());
  EXPECT_FALSE(GridFromMegapixels(Size(1000, 1000), std::nan("")).ok());
}

// What a message says is allowed is allowed, rounded as it says it.
TEST(GridFromMegapixels, TakesTheBoundsThatItNames) {
  for (int width = 1; width < 6000; width += 211) {
    for (int height = 1; height < 6000; height += 307) {
      const Grid input = Size(width, height);
      const auto refused = GridFromMegapixels(input, 1e-9).status();
      double low = 0, high = 0;
      const std::string message(refused.message());
      ASSERT_EQ(
          std::sscanf(message.c_str(), "megapixels: %*g is out of range; %lf (the input's) to %lf",
                      &low, &high),
          2)
          << message;
      EXPECT_EQ(*GridFromMegapixels(input, low), input) << message;
      EXPECT_EQ(*GridFromMegapixels(input, high), Size(32 * width, 32 * height)) << message;
    }
  }
}

}  // namespace
}  // namespace hiif
