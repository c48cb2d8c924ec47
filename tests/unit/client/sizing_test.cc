#include "client/cli/sizing.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hiif::cli {
namespace {

using ::testing::HasSubstr;

OutputPlan PlanOf(const SizeFlags& flags, Grid input) {
  const auto sizing = Sizing::Create(flags);
  EXPECT_TRUE(sizing.ok()) << sizing.status();
  const auto plan = sizing->Plan(input);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *plan;
}

TEST(SizingTest, EveryWayToSayASize) {
  const Grid input{200, 300};  // height, width
  EXPECT_EQ(PlanOf({}, input).whole, (Grid{800, 1200}));
  EXPECT_EQ(PlanOf({.scale = 2.7}, input).whole, (Grid{540, 810}));
  EXPECT_EQ(PlanOf({.scale_x = 2, .scale_y = 3}, input).whole, (Grid{600, 600}));
  EXPECT_EQ(PlanOf({.width = 1000}, input).whole, (Grid{667, 1000}));
  EXPECT_EQ(PlanOf({.height = 1000}, input).whole, (Grid{1000, 1500}));
  EXPECT_EQ(PlanOf({.width = 1000, .height = 500}, input).whole, (Grid{500, 750}));
  EXPECT_EQ(PlanOf({.width = 1000, .height = 500, .stretch = true}, input).whole,
            (Grid{500, 1000}));
  EXPECT_EQ(PlanOf({.long_side = 3000}, input).whole, (Grid{2000, 3000}));
  EXPECT_EQ(PlanOf({.megapixels = 0.24}, input).whole, (Grid{400, 600}));
}

TEST(SizingTest, TheRegionOfACropIsAsLargeAsTheCropEnlarged) {
  const OutputPlan plan = PlanOf({.scale = 2.5, .crop = "10,20,33,41"}, {100, 120});
  EXPECT_EQ(plan.size(), (Grid{103, 83}));  // 102.5 and 82.5, half up
  EXPECT_EQ(plan.part, (Grid{41, 33}));
  EXPECT_EQ(PlanOf({.scale = 2.5}, {100, 120}).part, (Grid{100, 120}));
  EXPECT_EQ(plan.region.x, 25);
  EXPECT_EQ(plan.region.y, 50);
  EXPECT_GE(plan.whole.width, plan.region.x + plan.region.width);
  const OutputPlan edge = PlanOf({.scale = 2.5, .crop = "87,59,33,41"}, {100, 120});
  EXPECT_EQ(edge.region.x + edge.region.width, edge.whole.width);
  EXPECT_EQ(PlanOf({.width = 500, .crop = "0,0,50,50"}, {100, 100}).size(), (Grid{500, 500}));
}

TEST(SizingTest, RefusesWhatCannotBeMeant) {
  const auto refused = [](const SizeFlags& flags) {
    return std::string(Sizing::Create(flags).status().message());
  };
  EXPECT_THAT(refused({.scale = 0.5}), HasSubstr("--scale: 0.5"));
  EXPECT_THAT(refused({.scale = 1e9}), HasSubstr("--scale"));
  EXPECT_THAT(refused({.scale = std::nan("")}), HasSubstr("--scale"));
  EXPECT_THAT(refused({.scale = 2, .width = 100}), HasSubstr("more than once"));
  EXPECT_THAT(refused({.scale_x = 2}), HasSubstr("belong together"));
  EXPECT_THAT(refused({.width = 100, .stretch = true}), HasSubstr("--stretch"));
  EXPECT_THAT(refused({.crop = "1,2,3"}), HasSubstr("--crop"));
  EXPECT_THAT(refused({.crop = "1,2,0,3"}), HasSubstr("--crop"));
  EXPECT_THAT(refused({.crop = "9223372036854775807,0,9223372036854775807,1"}),
              HasSubstr("--crop"));
  EXPECT_THAT(refused({.crop = "0,1,1,9223372036854775807"}), HasSubstr("--crop"));
  EXPECT_THAT(refused({.width = -1}), HasSubstr("greater than 0"));
  // 0 is an answer, and a wrong one: it is not taken for none.
  EXPECT_THAT(refused({.scale = 0}), HasSubstr("--scale: 0"));
  EXPECT_THAT(refused({.scale_x = 0, .scale_y = 2}), HasSubstr("--scale-x: 0"));
  EXPECT_THAT(refused({.width = 0, .height = 100}), HasSubstr("greater than 0"));
  EXPECT_THAT(refused({.megapixels = 0}), HasSubstr("greater than 0"));
  EXPECT_THAT(refused({.megapixels = std::nan("")}), HasSubstr("greater than 0"));
  EXPECT_THAT(refused({.long_side = 0}), HasSubstr("greater than 0"));
}

TEST(SizingTest, RefusesWhatDoesNotFitTheInput) {
  EXPECT_FALSE(Sizing::Create({.width = 10})->Plan({100, 100}).ok()) << "never smaller";
  EXPECT_FALSE(Sizing::Create({.crop = "90,0,20,20"})->Plan({100, 100}).ok());
  // The request has 32 bits for a side of the whole.
  EXPECT_FALSE(Sizing::Create({.scale = 32})->Plan({1, 200'000'000}).ok());
  EXPECT_FALSE(Sizing::Create({.scale = 32, .crop = "0,0,9,1"})->Plan({1, 200'000'000}).ok());
  EXPECT_FALSE(Sizing::Create({.width = int64_t{1} << 62})->Plan({100, 100}).ok());
  EXPECT_FALSE(Sizing::Create({.megapixels = 1e308})->Plan({100, 100}).ok());
}

TEST(SizingTest, LabelsSayTheSize) {
  EXPECT_EQ(Sizing::Create({})->Label(), "x4");
  EXPECT_EQ(Sizing::Create({.scale = 2.7})->Label(), "x2.7");
  EXPECT_EQ(Sizing::Create({.scale_x = 2.7, .scale_y = 3.1})->Label(), "x2.7x3.1");
  EXPECT_EQ(Sizing::Create({.width = 1920, .height = 1080})->Label(), "1920x1080");
}

}  // namespace
}  // namespace hiif::cli
