#include "server/core/plan.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hiif::server {
namespace {

using testing::HasSubstr;

v1::UpscaleParameters Scaled(double rx, double ry = 0) {
  v1::UpscaleParameters parameters;
  parameters.mutable_scale()->set_rx(rx);
  parameters.mutable_scale()->set_ry(ry);
  return parameters;
}

const ImageFacts kPhoto{.size = {300, 451}, .channels = 3, .type = SampleType::kU8};

absl::StatusOr<Plan> PlanOf(const v1::UpscaleParameters& parameters, const ImageFacts& image,
                            const Limits& limits) {
  const auto order = UpscaleOrder::Parse(parameters);
  if (!order.ok()) return order.status();
  return MakePlan(*order, image, limits);
}

std::string Refusal(const v1::UpscaleParameters& parameters, const ImageFacts& image = kPhoto,
                    const Limits& limits = {}) {
  const auto plan = PlanOf(parameters, image, limits);
  if (plan.ok()) return "accepted";
  EXPECT_TRUE(absl::IsInvalidArgument(plan.status())) << plan.status();
  return std::string(plan.status().message());
}

TEST(Plan, SizesAndTilesOfTheDemo) {
  const auto plan = PlanOf(Scaled(2.7, 3.1), kPhoto, {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->output.width, 1218);  // 451 * 2.7 = 1217.7
  EXPECT_EQ(plan->output.height, 930);
  EXPECT_EQ(plan->tile_size, 256);
  EXPECT_EQ(plan->columns(), 5);
  EXPECT_EQ(plan->rows(), 4);
  EXPECT_EQ(plan->Tile(0), (Region{0, 0, 256, 256}));
  EXPECT_EQ(plan->Tile(19), (Region{1024, 768, 194, 162}));
}

TEST(Plan, TilesCoverEveryPixelOfTheRegionOnce) {
  auto parameters = Scaled(3);
  parameters.mutable_region()->set_x(101);
  parameters.mutable_region()->set_y(37);
  parameters.mutable_region()->set_width(97);
  parameters.mutable_region()->set_height(65);
  parameters.set_tile_size(32);
  const auto plan = PlanOf(parameters, kPhoto, {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  std::vector<int> seen(97 * 65);
  for (int64_t i = 0; i < plan->tiles(); ++i) {
    const Region tile = plan->Tile(i);
    for (int64_t y = tile.y; y < tile.y + tile.height; ++y)
      for (int64_t x = tile.x; x < tile.x + tile.width; ++x) ++seen.at((y - 37) * 97 + x - 101);
  }
  EXPECT_THAT(seen, testing::Each(1));
}

TEST(Plan, TargetSizeKeepsTheAspectRatioWhereOneSideIsGiven) {
  v1::UpscaleParameters parameters;
  parameters.mutable_target()->set_width(902);
  const auto plan = PlanOf(parameters, kPhoto, {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->output.height, 600);
}

TEST(Plan, ATileFitsIntoAMessage) {
  for (const int channels : {1, 2, 3, 4}) {
    for (const auto type : {v1::SAMPLE_TYPE_U8, v1::SAMPLE_TYPE_U16, v1::SAMPLE_TYPE_F32}) {
      auto parameters = Scaled(8);
      parameters.set_tile_size(4096);
      parameters.set_sample_type(type);
      ImageFacts image = kPhoto;
      image.size = {4000, 4000};
      image.channels = channels;
      const auto plan = PlanOf(parameters, image, {.max_output_pixels = int64_t{1} << 40});
      ASSERT_TRUE(plan.ok()) << plan.status();
      const int64_t bytes = plan->pixel_bytes() * plan->tile_size * plan->tile_size;
      EXPECT_LE(bytes, kMaxPayloadBytes);
      EXPECT_GE(bytes, kMaxPayloadBytes / 2);
    }
  }
}

TEST(Plan, OutputTypeIsTheInputsUnlessAskedFor) {
  ImageFacts deep = kPhoto;
  deep.type = SampleType::kU16;
  EXPECT_EQ(PlanOf(Scaled(2), deep, {})->type, SampleType::kU16);
  auto parameters = Scaled(2);
  parameters.set_sample_type(v1::SAMPLE_TYPE_F32);
  EXPECT_EQ(PlanOf(parameters, deep, {})->type, SampleType::kF32);
  parameters = Scaled(2);
  parameters.mutable_encoded()->set_format(v1::FILE_FORMAT_JPEG);
  EXPECT_EQ(PlanOf(parameters, deep, {})->type, SampleType::kU8);
}

TEST(Plan, RefusalsNameTheField) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const double bad : {0.0, kNan, kInf, -kInf, -1.0, 0.5, 33.0, 1e9})
    EXPECT_THAT(Refusal(Scaled(bad)), HasSubstr("parameters.scale.rx")) << bad;
  for (const double bad : {kNan, kInf, -1.0, 1e9})
    EXPECT_THAT(Refusal(Scaled(2, bad)), HasSubstr("parameters.scale.ry")) << bad;
  EXPECT_THAT(Refusal({}), HasSubstr("parameters.size"));
  v1::UpscaleParameters target;
  target.mutable_target();
  EXPECT_THAT(Refusal(target), HasSubstr("parameters.target"));
  target.mutable_target()->set_width(100);  // smaller than the input
  EXPECT_THAT(Refusal(target), HasSubstr("parameters.target.width"));
  target.mutable_target()->set_width(-1);
  EXPECT_THAT(Refusal(target), HasSubstr("parameters.target.width"));
}

TEST(Plan, RegionsMustLieInside) {
  const auto with_region = [](int64_t x, int64_t y, int64_t width, int64_t height) {
    auto parameters = Scaled(2);
    parameters.mutable_region()->set_x(x);
    parameters.mutable_region()->set_y(y);
    parameters.mutable_region()->set_width(width);
    parameters.mutable_region()->set_height(height);
    return Refusal(parameters);
  };
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(with_region(901, 599, 1, 1), "accepted");
  EXPECT_THAT(with_region(902, 0, 1, 1), HasSubstr("parameters.region"));
  EXPECT_THAT(with_region(0, 600, 1, 1), HasSubstr("parameters.region"));
  EXPECT_THAT(with_region(0, 0, 903, 1), HasSubstr("parameters.region"));
  EXPECT_THAT(with_region(1, 1, kHuge, 1), HasSubstr("parameters.region"));
  EXPECT_THAT(with_region(kHuge, kHuge, kHuge, kHuge), HasSubstr("parameters.region"));
  EXPECT_THAT(with_region(-1, 0, 1, 1), HasSubstr("parameters.region.x"));
  EXPECT_THAT(with_region(0, -1, 1, 1), HasSubstr("parameters.region.y"));
  EXPECT_THAT(with_region(0, 0, 0, 1), HasSubstr("parameters.region.width"));
  EXPECT_THAT(with_region(0, 0, 1, -5), HasSubstr("parameters.region.height"));
}

TEST(Plan, LimitsAndTheRest) {
  EXPECT_THAT(Refusal(Scaled(2), kPhoto, {.max_output_pixels = 1000}), HasSubstr("1000"));
  auto parameters = Scaled(2);
  parameters.set_tile_size(8);
  EXPECT_THAT(Refusal(parameters), HasSubstr("parameters.tile_size"));
  parameters = Scaled(2);
  parameters.set_priority(11);
  EXPECT_THAT(Refusal(parameters), HasSubstr("parameters.priority"));
  parameters = Scaled(2);
  parameters.mutable_encoded();
  EXPECT_THAT(Refusal(parameters), HasSubstr("parameters.encoded.format"));
  parameters.mutable_encoded()->set_format(v1::FILE_FORMAT_PNG);
  parameters.mutable_encoded()->set_quality(101);
  EXPECT_THAT(Refusal(parameters), HasSubstr("parameters.encoded.quality"));
  parameters = Scaled(2);
  parameters.set_request_id(std::string(129, 'x'));
  EXPECT_THAT(Refusal(parameters), HasSubstr("parameters.request_id"));
  parameters = Scaled(2);
  parameters.set_first_tile(1);
  EXPECT_THAT(Refusal(parameters), HasSubstr("parameters.resume_token"));
  parameters.set_resume_token("token");
  parameters.set_first_tile(1000);
  EXPECT_THAT(Refusal(parameters), HasSubstr("parameters.first_tile"));
  parameters = Scaled(2);
  parameters.set_sample_type(static_cast<v1::SampleType>(77));
  EXPECT_THAT(Refusal(parameters), HasSubstr("parameters.sample_type"));
  for (const double strength : {-0.001, 1.001, std::nan(""), 1e300}) {
    parameters = Scaled(2);
    parameters.set_strength(strength);
    EXPECT_THAT(Refusal(parameters), HasSubstr("parameters.strength")) << strength;
  }
}

TEST(ResumeToken, ChangesWithWhateverChangesPixels) {
  const Plan plan = *PlanOf(Scaled(2), kPhoto, {});
  const auto token = [&](const Plan& p, bool srgb = false, const char* image = "i",
                         const char* weights = "w", const char* backend = "fused",
                         const char* precision = "float32", int64_t samples = 2304,
                         ModelUse use = {}) {
    return ResumeToken(p, srgb, use, image, weights, backend, precision, samples);
  };
  const std::string original = token(plan);
  EXPECT_EQ(original, token(plan));
  Plan resumed = plan;
  resumed.first_tile = 3;
  EXPECT_EQ(original, token(resumed));
  EXPECT_NE(original, token(plan, true));
  EXPECT_NE(original, token(plan, false, "j"));
  EXPECT_NE(original, token(plan, false, "i", "v"));
  EXPECT_NE(original, token(plan, false, "i", "w", "torch"));
  EXPECT_NE(original, token(plan, false, "i", "w", "fused", "bfloat16"));
  EXPECT_NE(original, token(plan, false, "i", "w", "fused", "float32", 0));
  EXPECT_NE(original,
            token(plan, false, "i", "w", "fused", "float32", 2304, {.self_ensemble = true}));
  EXPECT_NE(original, token(plan, false, "i", "w", "fused", "float32", 2304, {.strength = 0.5}));
  EXPECT_NE(token(plan, false, "i", "w", "fused", "float32", 2304, {.strength = 0.25}),
            token(plan, false, "i", "w", "fused", "float32", 2304, {.strength = 0.5}));
  // A client that saw its stream break before strengths were there goes on.
  EXPECT_EQ(original, token(plan, false, "i", "w", "fused", "float32", 2304, {.strength = 1}));
  Plan other = plan;
  other.tile_size = 128;
  EXPECT_NE(original, token(other));
  other = plan;
  other.region.x = 1;
  EXPECT_NE(original, token(other));
  other = plan;
  other.type = SampleType::kU16;
  EXPECT_NE(original, token(other));
}

}  // namespace
}  // namespace hiif::server
