#include "server/core/strips.h"

#include <gtest/gtest.h>

#include <random>

namespace hiif::server {
namespace {

Plan PlanOf(int64_t width, int64_t height, int tile_size, int64_t first_tile = 0) {
  Plan plan;
  plan.output = {height, width};
  plan.region = {0, 0, width, height};
  plan.tile_size = tile_size;
  plan.first_tile = first_tile;
  return plan;
}

TEST(Strips, CoverEveryRowOfTheirTilesOnce) {
  const Plan plan = PlanOf(700, 600, 256);
  const Strips strips(plan, 1);
  EXPECT_EQ(strips.per_tile(), 4);
  EXPECT_EQ(strips.count(), 9 * 4);
  std::vector<int64_t> rows(plan.tiles());
  for (int64_t i = 0; i < strips.count(); ++i) {
    const Strip strip = strips[i];
    EXPECT_EQ(strip.region.y, plan.Tile(strip.tile).y + rows[strip.tile]);
    rows[strip.tile] += strip.region.height;
  }
  for (int64_t i = 0; i < plan.tiles(); ++i) EXPECT_EQ(rows[i], plan.Tile(i).height) << i;
}

TEST(Strips, TheTotalIsTheSumOfTheCosts) {
  std::mt19937 random(1);
  const auto pick = [&](int from, int to) {
    return std::uniform_int_distribution<int>(from, to)(random);
  };
  for (int i = 0; i < 3000; ++i) {
    Plan plan = PlanOf(pick(1, 900), pick(1, 900), pick(16, 512));
    plan.first_tile = pick(0, static_cast<int>(plan.tiles()) - 1);
    const Strips strips(plan, int64_t{1} << pick(0, 4));
    int64_t sum = 0;
    for (int64_t piece = 0; piece < strips.count(); ++piece) sum += strips.Cost(piece);
    ASSERT_EQ(strips.TotalCost(), sum)
        << plan.region.width << "x" << plan.region.height << " tiles " << plan.tile_size << " from "
        << plan.first_tile;
  }
}

// What is computed several times is cut smaller, that a worker is free again as soon.
TEST(Strips, NoneIsMoreWorkThanAnother) {
  const Plan plan = PlanOf(700, 600, 256);
  for (const int64_t variants : {1, 2, 8, 16}) {
    const Strips strips(plan, variants);
    for (int64_t i = 0; i < strips.count(); ++i) {
      EXPECT_LE(strips.Cost(i), Strips::kPixels) << variants;
    }
  }
  // A row is not cut.
  const Strips rows(PlanOf(4096, 4, 4096), 16);
  EXPECT_EQ(rows.per_tile(), 4);
  EXPECT_EQ(rows[1].region.height, 1);
}

// 1.2 MB of picture in 19.8 million tiles: the count alone must cost nothing.
TEST(Strips, MillionsAreCheap) {
  const Strips strips(PlanOf(71'200, 71'200, 16), 1);
  EXPECT_EQ(strips.count(), int64_t{4450} * 4450);
  EXPECT_EQ(strips.TotalCost(), int64_t{71'200} * 71'200);
}

}  // namespace
}  // namespace hiif::server
