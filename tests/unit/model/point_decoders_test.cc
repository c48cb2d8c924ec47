// The promises of model/upscaler/upscaler.h by every decoder that is asked by points.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <thread>

#include "base/bicubic.h"
#include "model/checkpoint/checkpoint.h"
#include "model/upscaler/factory.h"
#include "model/upscaler/self_ensemble.h"
#include "tests/testing/random_checkpoint.h"
#include "tests/testing/rendering.h"

namespace hiif {
namespace {

std::shared_ptr<const RgbImage> Photo(int64_t height, int64_t width) {
  auto image = std::make_shared<RgbImage>();
  image->height = height;
  image->width = width;
  std::mt19937 random(7);
  for (int64_t i = 0; i < height * width * 3; ++i)
    image->samples.push_back(static_cast<uint8_t>(
        128 + 90 * std::sin(0.1 * static_cast<double>(i)) + static_cast<double>(random() % 30)));
  return image;
}

// Wide enough that a product that rounds by its row's place would show.
const std::vector<std::pair<std::string, ModelConfig>>& Models() {
  static const auto* const kModels = new std::vector<std::pair<std::string, ModelConfig>>{
      {"metasr", {EdsrConfig{16, 1}, MetaSrConfig{64}}},
      {"lte", {EdsrConfig{16, 1}, LteConfig{64, {64, 64}, 4}}},
      {"clit", {EdsrConfig{16, 1}, ClitConfig{48, 4, 3, 2, {64, 48}}}},
      {"ciaosr", {EdsrConfig{16, 1}, CiaoSrConfig{{64}, {64}, {64}, true}}},
      {"srno", {EdsrConfig{16, 1}, SrnoConfig{64, 8, 2, 64, 4}}},
      {"bicubic", {NoEncoderConfig{}, FilterConfig{}}},
      {"lanczos", {NoEncoderConfig{}, FilterConfig{FilterConfig::Kernel::kLanczos}}},
  };
  return *kModels;
}

std::unique_ptr<Upscaler> Make(const ModelConfig& config, double gain = 1) {
  SetIntraOpThreads(1);
  const std::string path =
      ::testing::TempDir() + "/points" + DecoderName(config.decoder) + ".safetensors";
  EXPECT_TRUE(testing::WriteRandomCheckpoint(path, config, 7, gain).ok());
  const auto checkpoint = Checkpoint::Open(path);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  auto upscaler = MakeUpscaler(*checkpoint, {});
  EXPECT_TRUE(upscaler.ok()) << upscaler.status();
  EXPECT_THAT((*upscaler)->identity(), ::testing::StartsWith("torch/cpu-float32+"));
  return *std::move(upscaler);
}

class PointDecoderTest : public ::testing::TestWithParam<std::pair<std::string, ModelConfig>> {
 protected:
  void SetUp() override {
    upscaler_ = Make(GetParam().second);
    auto features = upscaler_->Encode(Photo(15, 19));
    ASSERT_TRUE(features.ok()) << features.status();
    features_ = *features;
    auto context = upscaler_->MakeContext(*features_, kGrid, {.samples = 300});
    ASSERT_TRUE(context.ok()) << context.status();
    context_ = *context;
  }
  std::vector<float> Render(Region region) const {
    return testing::RenderRegion(*upscaler_, *features_, *context_, region);
  }
  static std::vector<float> Cut(const std::vector<float>& whole, Region region) {
    return testing::Cut(whole, kGrid.width, region);
  }

  static constexpr Grid kGrid{73, 81};  // x4.87 and x4.26: two stages of CLIT
  std::unique_ptr<Upscaler> upscaler_;
  std::shared_ptr<const Features> features_;
  std::shared_ptr<const Context> context_;
};

TEST_P(PointDecoderTest, APixelDoesNotDependOnItsTileOrThread) {
  const std::vector<float> whole = Render({0, 0, kGrid.width, kGrid.height});
  for (const Region region : {Region{0, 0, 1, 1}, Region{80, 72, 1, 1}, Region{5, 7, 34, 3},
                              Region{0, 20, 81, 17}, Region{30, 0, 2, 73}, Region{17, 13, 41, 39}})
    EXPECT_EQ(Render(region), Cut(whole, region)) << region.x << "," << region.y;
  std::vector<std::vector<float>> results(2);
  std::vector<std::thread> threads;
  for (auto& result : results)
    threads.emplace_back([&] { result = Render({0, 0, kGrid.width, kGrid.height}); });
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, whole);
}

TEST_P(PointDecoderTest, AQueryAtThePixelsIsTheImage) {
  const std::vector<float> whole = Render({0, 0, kGrid.width, kGrid.height});
  std::vector<Coordinate> coordinates;
  std::vector<float> expected;
  for (const auto& [row, column] :
       {std::pair<int64_t, int64_t>{0, 0}, {72, 80}, {31, 17}, {9, 40}}) {
    coordinates.push_back({(2.0 * static_cast<double>(row) + 1) / kGrid.height - 1,
                           (2.0 * static_cast<double>(column) + 1) / kGrid.width - 1});
    const auto pixel = whole.begin() + (row * kGrid.width + column) * 3;
    expected.insert(expected.end(), pixel, pixel + 3);
  }
  std::vector<float> out(expected.size());
  const Cell cell{2.0 / kGrid.height, 2.0 / kGrid.width};
  ASSERT_TRUE(upscaler_->Query(*features_, *context_, cell, coordinates, absl::MakeSpan(out)).ok());
  EXPECT_EQ(out, expected);
  // Anywhere, also outside the image.
  coordinates = {{-1, -1}, {1, 1}, {0.123, -0.777}, {-0.999, 0.999}};
  ASSERT_TRUE(upscaler_->Query(*features_, *context_, cell, coordinates, absl::MakeSpan(out)).ok());
  for (const float value : out) EXPECT_TRUE(std::isfinite(value));
}

// The judge and what serves are one function here.
TEST_P(PointDecoderTest, BackendsAgree) {
  const std::string path = ::testing::TempDir() + "/agree.safetensors";
  ASSERT_TRUE(testing::WriteRandomCheckpoint(path, GetParam().second).ok());
  const auto reference = MakeUpscaler(*Checkpoint::Open(path), {.backend = Backend::kReference});
  ASSERT_TRUE(reference.ok()) << reference.status();
  const auto features = (*reference)->Encode(Photo(15, 19));
  const auto context = (*reference)->MakeContext(**features, kGrid, {.samples = 300});
  const Region region{3, 4, 20, 9};
  std::vector<float> out(region.pixels() * 3);
  const RenderTile tile{features->get(), context->get(), region, absl::MakeSpan(out)};
  ASSERT_TRUE((*reference)->Render({tile}).ok());
  EXPECT_EQ(out, Render(region));
}

TEST_P(PointDecoderTest, CostsWhatItSays) {
  const Grid size{15, 19};
  const Region all{0, 0, kGrid.width, kGrid.height};
  const WorkCost cost = upscaler_->Cost(size, kGrid, all, {.samples = 300});
  EXPECT_EQ(static_cast<int>(cost.encode.size()),
            (*upscaler_->StartEncoding(Photo(15, 19)))->blocks());
  for (const double block : cost.encode) EXPECT_GT(block, 0);
  EXPECT_GT(cost.decode, 0);
  EXPECT_EQ(cost.context > 0, GetParam().first == "srno");
  const MemoryFootprint footprint = upscaler_->Footprint(size, kGrid, all, {.samples = 300});
  EXPECT_EQ(footprint.features + 15 * 19 * 3, features_->bytes());
  EXPECT_GE(footprint.context, context_->bytes());
  EXPECT_GT(footprint.decode_worker, 0);
}

TEST_P(PointDecoderTest, TakesTheSmallestImages) {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1}, {1, 7}, {2, 3}, {3, 2}}) {
    const auto features = upscaler_->Encode(Photo(height, width));
    ASSERT_TRUE(features.ok()) << features.status();
    for (const int64_t scale : {1, 2, 5}) {
      const Grid grid{height * scale, width * scale};
      const auto context = upscaler_->MakeContext(**features, grid, {});
      ASSERT_TRUE(context.ok()) << context.status();
      std::vector<float> out(grid.height * grid.width * 3);
      const RenderTile tile{
          features->get(), context->get(), {0, 0, grid.width, grid.height}, absl::MakeSpan(out)};
      EXPECT_TRUE(upscaler_->Render({tile}).ok()) << height << "x" << width << " x" << scale;
    }
  }
}

TEST_P(PointDecoderTest, HasASelfEnsemble) {
  const SelfEnsemble ensemble(upscaler_.get());
  const auto features = ensemble.Encode(Photo(9, 12));
  ASSERT_TRUE(features.ok());
  const Grid grid{20, 31};
  const auto context = ensemble.MakeContext(**features, grid, {});
  ASSERT_TRUE(context.ok());
  std::vector<float> whole(grid.height * grid.width * 3);
  const Region all{0, 0, grid.width, grid.height};
  ASSERT_TRUE(
      ensemble.Render({{features->get(), context->get(), all, absl::MakeSpan(whole)}}).ok());
  std::vector<float> row(grid.width * 3);
  const Region one{0, 11, grid.width, 1};
  ASSERT_TRUE(ensemble.Render({{features->get(), context->get(), one, absl::MakeSpan(row)}}).ok());
  EXPECT_TRUE(std::equal(row.begin(), row.end(), whole.begin() + 11 * grid.width * 3));
}

INSTANTIATE_TEST_SUITE_P(All, PointDecoderTest, ::testing::ValuesIn(Models()),
                         [](const auto& test) { return test.param.first; });

TEST(Clit, RefusesWhatItsStagesCannotReach) {
  const auto upscaler = Make(Models()[2].second);
  const auto features = upscaler->Encode(Photo(4, 5));
  ASSERT_TRUE(features.ok());
  EXPECT_TRUE(upscaler->MakeContext(**features, {64, 80}, {}).ok());
  const auto refused = upscaler->MakeContext(**features, {65, 80}, {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(refused.status().message()).find("by 16"), std::string::npos);
}

// What overflows is an error, in whichever piece of a tile it is.
TEST(PointDecoders, TellWhatIsNotFinite) {
  for (const size_t model : {size_t{0}, size_t{1}, size_t{4}}) {
    const auto upscaler = Make(Models()[model].second, 1e12);
    const auto features = upscaler->Encode(Photo(15, 19));
    ASSERT_TRUE(features.ok());
    const Grid grid{73, 81};
    const auto context = upscaler->MakeContext(**features, grid, {.samples = 300});
    ASSERT_TRUE(context.ok());
    std::vector<float> out(grid.height * grid.width * 3);
    const RenderTile tile{
        features->get(), context->get(), {0, 0, grid.width, grid.height}, absl::MakeSpan(out)};
    EXPECT_EQ(upscaler->Render({tile}).code(), absl::StatusCode::kInternal) << model;
  }
}

// The map of a large image is computed in blocks, which any number of threads take in any order.
TEST(CiaoSr, TheOrderOfBlocksDoesNotMatter) {
  const auto upscaler = Make({EdsrConfig{2, 1}, CiaoSrConfig{{4}, {4}, {4}, true}});
  const auto image = Photo(20, 400);
  const auto render = [&](const Features& features) {
    const Grid grid{21, 401};
    const auto context = upscaler->MakeContext(features, grid, {});
    std::vector<float> out(grid.height * grid.width * 3);
    const RenderTile tile{
        &features, context->get(), {0, 0, grid.width, grid.height}, absl::MakeSpan(out)};
    EXPECT_TRUE(upscaler->Render({tile}).ok());
    return out;
  };
  const auto expected = render(**upscaler->Encode(image));
  auto backwards = *upscaler->StartEncoding(image);
  ASSERT_EQ(backwards->blocks(), 4);  // one of the encoder, three of the map
  EXPECT_FALSE(backwards->Finish().ok());
  for (int block = 3; block >= 0; --block) {
    EXPECT_TRUE(backwards->EncodeBlock(block, 1).ok());
  }
  EXPECT_EQ(render(**backwards->Finish()), expected);
  auto together = *upscaler->StartEncoding(image);
  std::vector<std::thread> threads;
  for (int block = 0; block < 4; ++block)
    threads.emplace_back([&, block] { EXPECT_TRUE(together->EncodeBlock(block, 1).ok()); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(render(**together->Finish()), expected);
}

// A server whose models are all on one backend has its floor too.
TEST(Filters, AreServedWhateverTheBackend) {
  const std::string path = ::testing::TempDir() + "/filter.safetensors";
  ASSERT_TRUE(testing::WriteRandomCheckpoint(path, Models()[5].second).ok());
  const auto checkpoint = Checkpoint::Open(path);
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(checkpoint->parameters(), 0);
  for (const Backend backend : {Backend::kAuto, Backend::kTorch, Backend::kFused})
    EXPECT_TRUE(MakeUpscaler(*checkpoint, {.backend = backend}).ok());
}

TEST(Filters, BicubicIsPillows) {
  const auto image = Photo(17, 23);
  const Grid grid{47, 71};
  const auto upscaler = Make(Models()[5].second);
  const auto features = upscaler->Encode(image);
  const auto context = upscaler->MakeContext(**features, grid, {});
  std::vector<float> out(grid.height * grid.width * 3);
  const RenderTile tile{
      features->get(), context->get(), {0, 0, grid.width, grid.height}, absl::MakeSpan(out)};
  ASSERT_TRUE(upscaler->Render({tile}).ok());
  const RgbImage pillow = ResizeBicubic(*image, grid);
  for (size_t i = 0; i < out.size(); ++i)  // Pillow rounds twice
    ASSERT_NEAR(ToUnit(out[i]) * 255, pillow.samples[i], 1.3) << i;
}

}  // namespace
}  // namespace hiif
