// The faithful and the sharp network of a model for photographs, as one.
#include "model/upscaler/blended_upscaler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/upscaler/factory.h"
#include "tests/testing/paths.h"
#include "tests/testing/rendering.h"

namespace hiif {
namespace {

std::shared_ptr<const RgbImage> Noise(int64_t height, int64_t width) {
  auto image = std::make_shared<RgbImage>();
  image->height = height;
  image->width = width;
  std::mt19937 random(7);
  for (int64_t i = 0; i < height * width * 3; ++i) {
    image->samples.push_back(static_cast<uint8_t>(random() % 256));
  }
  return image;
}

TEST(BlendedUpscaler, IsBetweenItsNetworksAndCutsLikeOne) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif-photo.safetensors"));
  ASSERT_TRUE(checkpoint.ok());
  ASSERT_TRUE(checkpoint->has_faithful());
  std::vector<std::unique_ptr<Upscaler>> networks;
  networks.push_back(MakeUpscaler(checkpoint->Faithful(), {}).value());
  networks.push_back(MakeUpscaler(*checkpoint, {}).value());
  const BlendedUpscaler blended(networks[0].get(), networks[1].get());
  const auto image = Noise(20, 26);
  const Grid grid{61, 55};
  const auto features = blended.Encode(image).value();
  const auto render = [&](double strength, Region region) {
    const auto context =
        blended.MakeContext(*features, grid, {.samples = 300, .strength = strength}).value();
    return testing::RenderRegion(blended, *features, *context, region);
  };
  const Region all{0, 0, grid.width, grid.height};
  const std::vector<float> half = render(0.5, all);
  const Region part{11, 13, 20, 17};
  EXPECT_EQ(render(0.5, part), testing::Cut(half, grid.width, part));
  std::vector<std::vector<float>> ends;
  for (const auto& network : networks) {
    const auto own = network->Encode(image).value();
    const auto context = network->MakeContext(*own, grid, {.samples = 300}).value();
    ends.push_back(testing::RenderRegion(*network, *own, *context, all));
  }
  EXPECT_EQ(render(0, all), ends[0]);
  EXPECT_EQ(render(1, all), ends[1]);
  for (size_t i = 0; i < half.size(); ++i) {
    ASSERT_NEAR(half[i], (ends[0][i] + ends[1][i]) / 2, 1e-6) << i;
  }
  // Two tiles of other strengths in one call.
  std::vector<std::shared_ptr<const Context>> contexts;
  std::vector<std::vector<float>> outs(2, std::vector<float>(part.pixels() * 3));
  std::vector<RenderTile> tiles;
  for (const double strength : {0.25, 0.75}) {
    contexts.push_back(
        blended.MakeContext(*features, grid, {.samples = 300, .strength = strength}).value());
    tiles.push_back(
        {features.get(), contexts.back().get(), part, absl::MakeSpan(outs[tiles.size()])});
  }
  ASSERT_TRUE(blended.Render(tiles).ok());
  EXPECT_EQ(outs[0], render(0.25, part));
  EXPECT_EQ(outs[1], render(0.75, part));
  for (const double strength : {-0.1, 1.1, std::nan("")}) {
    EXPECT_EQ(blended.MakeContext(*features, grid, {.strength = strength}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  // It says what both take.
  const MemoryFootprint one = networks[0]->Footprint({20, 26}, grid, all, {});
  const MemoryFootprint both = blended.Footprint({20, 26}, grid, all, {});
  EXPECT_EQ(both.features, 2 * one.features);
  EXPECT_EQ(both.context, 2 * one.context);
  EXPECT_GT(both.Peak(2), one.Peak(2));
  EXPECT_EQ(blended.Cost({20, 26}, grid, all, {}).encode.size(),
            2 * networks[0]->Cost({20, 26}, grid, all, {}).encode.size());
}

}  // namespace
}  // namespace hiif
