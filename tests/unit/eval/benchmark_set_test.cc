#include "eval/benchmark_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/psnr.h"
#include "eval/measure.h"
#include "eval/ssim.h"
#include "model/upscaler/factory.h"
#include "tests/testing/paths.h"

namespace hiif::eval {
namespace {

TEST(ParseScales, TakesEqualAndDifferentFactors) {
  const auto scales = ParseScales("2,2.5,2x3.1");
  ASSERT_TRUE(scales.ok());
  ASSERT_EQ(scales->size(), 3);
  EXPECT_TRUE((*scales)[1].uniform());
  EXPECT_EQ((*scales)[2].x, 2);
  EXPECT_EQ((*scales)[2].y, 3.1);
  EXPECT_EQ((*scales)[2].ToString(), "2x3.1");
  for (const char* wrong : {"", "0.5", "2,", "x", "2x3x4", "nan", "33"})
    EXPECT_FALSE(ParseScales(wrong).ok()) << wrong;
}

TEST(BenchmarkSet, MakesTheLowResolutionImagesWhereThereAreNone) {
  const auto set = BenchmarkSet::Open(testing::RepositoryPath("examples"), {3.1, 2.7});
  ASSERT_TRUE(set.ok());
  ASSERT_EQ(set->images(), 1);
  const auto pair = set->Load(0);
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->low->height, 51);  // of 160
  EXPECT_EQ(pair->low->width, 88);   // of 240
  EXPECT_EQ(pair->high.height, 158);
  EXPECT_EQ(pair->high.width, 238);  // 237.6
}

TEST(BenchmarkSet, OfNothingIsAnErrorThatNamesTheFolder) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "hiif-empty";
  std::filesystem::remove_all(folder);
  const auto error = [&] {
    const absl::Status status = BenchmarkSet::Open(folder.string(), {2, 2}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    return std::string(status.message());
  };
  EXPECT_THAT(error(), ::testing::HasSubstr("cannot list " + folder.string()));
  std::filesystem::create_directories(folder);
  EXPECT_THAT(error(), ::testing::HasSubstr("no image there"));
  // Of pairs, but with nothing in them, or no original.
  std::filesystem::create_directories(folder / "image_SRF_4");
  EXPECT_THAT(error(), ::testing::HasSubstr("image_SRF_4: no original there"));
  std::filesystem::copy(testing::RepositoryPath("examples/chelsea.png"),
                        folder / "image_SRF_4" / "a_LR.png");
  EXPECT_THAT(error(), ::testing::HasSubstr("_HR"));
  std::filesystem::copy(testing::RepositoryPath("examples/chelsea.png"),
                        folder / "image_SRF_4" / "a_HR.png");
  const auto set = BenchmarkSet::Open(folder.string() + "/", {2, 2});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->name(), "hiif-empty");
  EXPECT_EQ(set->images(), 1);
  EXPECT_TRUE(set->Load(0).ok());
  // One scale without images is refused before another is measured.
  std::filesystem::create_directories(folder / "image_SRF_2");
  EXPECT_FALSE(OpenSets({folder.string()}, {{4, 4}, {2, 2}}).ok());
}

TEST(BenchmarkSet, PassesOverLinksThatLeadInACircle) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "hiif-circle";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::filesystem::copy(testing::RepositoryPath("examples/chelsea.png"), folder);
  std::filesystem::create_symlink("round.png", folder / "round.png");
  const auto set = BenchmarkSet::Open(folder.string(), {2, 2});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->images(), 1);
}

TEST(Ssim, IsOneForEqualImagesAndFallsWithNoise) {
  const auto image = ReadRgb(testing::RepositoryPath("examples/chelsea.png"));
  ASSERT_TRUE(image.ok());
  std::vector<float> values;
  for (const uint8_t sample : image->samples) values.push_back(static_cast<float>(sample) / 255);
  EXPECT_NEAR(Ssim(values, *image, 2), 1, 1e-9);
  for (size_t i = 0; i < values.size(); ++i) values[i] += (i % 7 < 3 ? 0.05f : -0.05f);
  const double noisy = Ssim(values, *image, 2);
  EXPECT_LT(noisy, 0.95);
  EXPECT_GT(noisy, 0.2);
}

// One image of Set5 by the shipped weights; scripts/verify has the whole tables.
TEST(MeasureSet, GivesTheTablesFigures) {
  const std::string folder = testing::SharedPath("data/Set5");
  HIIF_SKIP_WITHOUT(folder);
  SetIntraOpThreads(1);
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif.safetensors"));
  ASSERT_TRUE(checkpoint.ok());
  const auto upscaler = MakeUpscaler(*checkpoint, {});
  ASSERT_TRUE(upscaler.ok());
  const auto set = BenchmarkSet::Open(folder, {4, 4});
  ASSERT_TRUE(set.ok());
  const auto mean = MeasureSet(**upscaler, *set, {});
  ASSERT_TRUE(mean.ok()) << mean.status();
  ASSERT_EQ(mean->images.size(), 5);
  EXPECT_GE(mean->psnr, 32.045 - 0.02);  // the first weights'; later ones are better
  EXPECT_LT(mean->psnr, 32.6);           // the paper's is 32.42
}

}  // namespace
}  // namespace hiif::eval
