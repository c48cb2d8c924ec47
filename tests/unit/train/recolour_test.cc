#include "train/recolour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

namespace hiif::train {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr float kCodes[] = {1, 2, 3};

Sample Coloured() {
  Sample sample;
  sample.side = 3;
  sample.patch = {10, 20, 30, 0, 255, 128};
  sample.rows = {1};
  sample.columns = {2};
  sample.colours = {11.5f, 22.25f, 260.0f};  // what a teacher says may lie outside
  sample.latents = kCodes;
  return sample;
}

TEST(RecolourTest, PatchAndWhatIsWantedGetTheSameColours) {
  Sample sample = Coloured();
  Recolour({.order = {2, 0, 1}, .negative = false}, sample);
  EXPECT_THAT(sample.patch, ElementsAre(30, 10, 20, 128, 0, 255));
  EXPECT_THAT(sample.colours, ElementsAre(260.0f, 11.5f, 22.25f));
  sample = Coloured();
  Recolour({.order = {0, 2, 1}, .negative = true}, sample);
  EXPECT_THAT(sample.patch, ElementsAre(245, 225, 235, 255, 127, 0));
  EXPECT_THAT(sample.colours, ElementsAre(243.5f, -5.0f, 232.75f));
  EXPECT_THAT(sample.rows, ElementsAre(1));
  EXPECT_THAT(sample.columns, ElementsAre(2));
  EXPECT_EQ(sample.side, 3);
}

TEST(RecolourTest, LatentCodesAreThoseOfTheColoursOrNone) {
  Sample sample = Coloured();
  Recolour({}, sample);
  EXPECT_THAT(sample.latents, Not(IsEmpty()));
  EXPECT_EQ(sample.patch, Coloured().patch);
  Recolour({.order = {0, 1, 2}, .negative = true}, sample);
  EXPECT_THAT(sample.latents, IsEmpty());
}

TEST(RecolourTest, AllTwelveAreDrawnAlike) {
  Random random(3, 0, 0);
  std::map<std::tuple<int, int, int, bool>, int> drawn;
  for (int i = 0; i < 12'000; ++i) {
    const Recolouring one = Recolouring::Draw(random);
    ++drawn[{one.order[0], one.order[1], one.order[2], one.negative}];
  }
  EXPECT_EQ(drawn.size(), 12u);
  for (const auto& [recolouring, times] : drawn) {
    const auto& [a, b, c, negative] = recolouring;
    EXPECT_EQ((1 << a) | (1 << b) | (1 << c), 7) << "not an order";
    EXPECT_NEAR(times, 1000, 150);
  }
}

TEST(RecolourTest, APartOfThemIsAndTheSameOnesEachTime) {
  const auto drawn = [](double part, uint64_t seed) {
    std::vector<bool> changed;
    for (int64_t step = 0; step < 500; ++step) {
      for (int64_t item = 0; item < 4; ++item) {
        Sample sample = Coloured();
        const Recolouring drawn = DrawRecolouring(part, seed, step, item);
        Recolour(drawn, sample);
        changed.push_back(sample.patch != Coloured().patch);
        EXPECT_EQ(sample.patch, Recoloured(drawn, Coloured().patch));
      }
    }
    return changed;
  };
  const auto count = [](const std::vector<bool>& changed) {
    return std::count(changed.begin(), changed.end(), true);
  };
  EXPECT_EQ(count(drawn(0, 1)), 0);
  EXPECT_NEAR(count(drawn(0.4, 1)), 2000 * 0.4 * 11 / 12, 120);
  EXPECT_NEAR(count(drawn(1, 1)), 2000.0 * 11 / 12, 60);
  EXPECT_EQ(drawn(0.4, 1), drawn(0.4, 1));
  EXPECT_NE(drawn(0.4, 1), drawn(0.4, 2));
}

}  // namespace
}  // namespace hiif::train
