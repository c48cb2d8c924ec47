// The decoder of model/kernels/cuda, compiled for the host, against the engine that it stands in
// for: by every type, at both widths, for counts of queries that fill no block.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint.h"
#include "model/kernels/cuda/host_block.h"
#include "model/upscaler/factory.h"
#include "tests/testing/environment.h"
#include "tests/testing/paths.h"

namespace hiif {
namespace {

std::shared_ptr<const RgbImage> Waves(int64_t height, int64_t width) {
  auto image = std::make_shared<RgbImage>();
  image->height = height;
  image->width = width;
  for (int64_t i = 0; i < height * width * 3; ++i) {
    const auto at = static_cast<double>(i);
    image->samples.push_back(
        static_cast<uint8_t>(128 + 80 * std::sin(0.7 * at) + 40 * std::cos(0.013 * at)));
  }
  return image;
}

std::unique_ptr<Upscaler> Made(const std::string& model, const char* decoder, Precision precision) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath(absl::StrCat("models/", model, ".safetensors")));
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  const testing::ScopedEnvironment chosen("HIIF_CUDA_DECODER", decoder);
  auto made = MakeUpscaler(*checkpoint, {.backend = Backend::kTorch, .precision = precision});
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

struct Bound {
  Precision precision;
  double largest;  // difference, of the [-1,1] range
  double rms;
};

class BlockDecoderTest : public ::testing::TestWithParam<Bound> {
 protected:
  void SetUp() override { SetIntraOpThreads(1); }
  // Largest and root mean square difference of the two decoders in a region.
  static std::pair<double, double> Differences(const std::string& model, Precision precision,
                                               Grid size, Grid grid, Region region) {
    std::vector<std::vector<float>> outs;
    for (const char* decoder : {"layers", "fused"}) {
      const auto upscaler = Made(model, decoder, precision);
      const auto features = upscaler->Encode(Waves(size.height, size.width));
      const auto context = upscaler->MakeContext(**features, grid, {.samples = 200});
      outs.emplace_back(region.pixels() * 3);
      const RenderTile tile{features->get(), context->get(), region, absl::MakeSpan(outs.back())};
      const absl::Status status = upscaler->Render({&tile, 1});
      EXPECT_TRUE(status.ok()) << status;
    }
    double largest = 0, squares = 0;
    for (size_t i = 0; i < outs[0].size(); ++i) {
      const double difference = std::abs(double{outs[0][i]} - outs[1][i]);
      largest = std::max(largest, difference);
      squares += difference * difference;
    }
    return {largest, std::sqrt(squares / static_cast<double>(outs[0].size()))};
  }
};

TEST_P(BlockDecoderTest, GivesWhatTheLayersGive) {
  // 1, 63, 65 and 420 queries: blocks have 32 or 64.
  for (const Region region :
       {Region{5, 3, 1, 1}, Region{0, 9, 21, 3}, Region{2, 2, 5, 13}, Region{8, 4, 20, 21}}) {
    const auto [largest, rms] =
        Differences("edsr-baseline-hiif", GetParam().precision, {11, 13}, {31, 29}, region);
    EXPECT_LE(largest, GetParam().largest) << region.pixels();
    EXPECT_LE(rms, GetParam().rms) << region.pixels();
  }
}

TEST_P(BlockDecoderTest, ANarrowDecoderToo) {
  const auto [largest, rms] = Differences("edsr-baseline-hiif-fast", GetParam().precision, {9, 12},
                                          {26, 40}, {1, 0, 39, 26});
  EXPECT_LE(largest, GetParam().largest);
  EXPECT_LE(rms, GetParam().rms);
}

INSTANTIATE_TEST_SUITE_P(Types, BlockDecoderTest,
                         ::testing::Values(Bound{Precision::kFloat32, 2e-5, 2e-6},
                                           Bound{Precision::kBFloat16, 6e-2, 6e-3},
                                           Bound{Precision::kFloat16, 8e-3, 8e-4}));

// Two contexts in one launch, of images and sizes of their own.
TEST(BlockDecoder, GroupsOfSeveralImagesShareALaunch) {
  const auto upscaler = Made("edsr-baseline-hiif", "fused", Precision::kFloat32);
  std::vector<std::shared_ptr<const Features>> features;
  std::vector<std::shared_ptr<const Context>> contexts;
  std::vector<std::vector<float>> outs, alone;
  std::vector<RenderTile> tiles;
  outs.reserve(3);
  for (int i = 0; i < 3; ++i) {
    features.push_back(*upscaler->Encode(Waves(8 + 3 * i, 10 - i)));
    contexts.push_back(*upscaler->MakeContext(*features[i], {20 + 9 * i, 22}, {.samples = 100}));
    const Region region{i, 2 * i, 7 + i, 11};
    outs.emplace_back(region.pixels() * 3);
    tiles.push_back({features[i].get(), contexts[i].get(), region, absl::MakeSpan(outs[i])});
    alone.emplace_back(outs[i].size());
    RenderTile single = tiles.back();
    single.out = absl::MakeSpan(alone[i]);
    ASSERT_TRUE(upscaler->Render({&single, 1}).ok());
  }
  ASSERT_TRUE(upscaler->Render(tiles).ok());
  EXPECT_EQ(outs, alone);
}

TEST(BlockDecoder, IsNamedAndChosenByTheEnvironment) {
  const auto identity = [](const char* chosen) {
    return Made("edsr-baseline-hiif", chosen, Precision::kBFloat16)->identity();
  };
  EXPECT_THAT(identity("fused"), ::testing::StartsWith("torch/cpu-fused-bfloat16+"));
  EXPECT_THAT(identity(""), ::testing::StartsWith("torch/cpu-bfloat16+"));
  EXPECT_THAT(identity("layers"), ::testing::StartsWith("torch/cpu-bfloat16+"));
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif.safetensors"));
  const testing::ScopedEnvironment chosen("HIIF_CUDA_DECODER", "quick");
  EXPECT_EQ(MakeUpscaler(*checkpoint, {.backend = Backend::kTorch}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// A product of tiles is the product of the matrices that were packed, each value at a place of its
// own.
TEST(HostBlock, MultipliesPackedTiles) {
  using Block = kernels::HostBlock<float, 96, 1>;
  std::vector<float> left(16 * Block::kDepth), right(Block::kDepth * 16), packed(right.size(), NAN);
  for (size_t i = 0; i < left.size(); ++i) left[i] = static_cast<float>(i % 7) - 3;
  for (int k = 0; k < Block::kDepth; ++k) {
    for (int j = 0; j < 16; ++j) {
      right[k * 16 + j] = static_cast<float>((k * 16 + j) % 5) - 2;
      packed[kernels::PlaceInTile(k, j, Block::kDepth)] = right[k * 16 + j];
    }
  }
  Block::Left a;
  Block::Right b;
  Block::Sum sum;
  Block::LoadLeft(a, left.data(), Block::kDepth);
  Block::LoadRight(b, packed.data());
  Block::Zero(sum);
  Block::MultiplyAdd(sum, a, b);
  for (int row = 0; row < 16; ++row) {
    for (int pair = 0; pair < 8; ++pair) {
      for (int which = 0; which < 2; ++which) {
        float expected = 0;
        for (int k = 0; k < Block::kDepth; ++k) {
          expected += left[row * Block::kDepth + k] * right[k * 16 + 2 * pair + which];
        }
        EXPECT_EQ(Block::At(sum, pair, row, which), expected);
      }
    }
  }
}

// Of 16 bits too: places are 0 to 255, each once.
TEST(HostBlock, PlacesOfATileAreDistinct) {
  for (const int depth : {8, 16}) {
    std::vector<int> taken(depth * 16, 0);
    for (int k = 0; k < depth; ++k) {
      for (int j = 0; j < 16; ++j) ++taken.at(kernels::PlaceInTile(k, j, depth));
    }
    EXPECT_THAT(taken, ::testing::Each(1));
  }
}

}  // namespace
}  // namespace hiif
