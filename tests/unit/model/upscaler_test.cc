// The promises of model/upscaler/upscaler.h, by every backend, on the shipped weights.
#include "model/upscaler/upscaler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/Parallel.h>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "model/checkpoint/checkpoint.h"
#include "model/engine/tensors.h"
#include "model/upscaler/factory.h"
#include "model/upscaler/self_ensemble.h"
#include "tests/testing/environment.h"
#include "tests/testing/paths.h"
#include "tests/testing/rendering.h"

namespace hiif {
namespace {

std::shared_ptr<const RgbImage> Photo(int64_t height, int64_t width) {
  auto image = std::make_shared<RgbImage>();
  image->height = height;
  image->width = width;
  std::mt19937 random(7);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image->samples.push_back(
            static_cast<uint8_t>(128 +
                                 90 * std::sin(0.3 * static_cast<double>(x + 2 * c)) *
                                     std::cos(0.2 * static_cast<double>(y)) +
                                 static_cast<double>(random() % 30)));
  return image;
}

struct Setting {
  Backend backend;
  CoordinateMode coordinates;
  Precision precision = Precision::kFloat32;
  const char* decoder = "layers";  // HIIF_CUDA_DECODER
};

class UpscalerTest : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    SetIntraOpThreads(1);
    auto checkpoint =
        Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif.safetensors"));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint->SetCoordinates(GetParam().coordinates);
    const testing::ScopedEnvironment decoder("HIIF_CUDA_DECODER", GetParam().decoder);
    auto upscaler = MakeUpscaler(
        *checkpoint, {.backend = GetParam().backend, .precision = GetParam().precision});
    ASSERT_TRUE(upscaler.ok()) << upscaler.status();
    upscaler_ = *std::move(upscaler);
    image_ = Photo(15, 19);
    auto features = upscaler_->Encode(image_);
    ASSERT_TRUE(features.ok()) << features.status();
    features_ = *features;
    auto context = upscaler_->MakeContext(*features_, kGrid, {.samples = 300});
    ASSERT_TRUE(context.ok()) << context.status();
    context_ = *context;
  }

  std::vector<float> Render(Region region) const { return Render(*upscaler_, region); }
  std::vector<float> Render(const Upscaler& upscaler, Region region) const {
    return testing::RenderRegion(upscaler, *features_, *context_, region);
  }
  static std::vector<float> Cut(const std::vector<float>& whole, Region region) {
    return testing::Cut(whole, kGrid.width, region);
  }

  static constexpr Grid kGrid{37, 43};
  std::unique_ptr<Upscaler> upscaler_;
  std::shared_ptr<const RgbImage> image_;
  std::shared_ptr<const Features> features_;
  std::shared_ptr<const Context> context_;
};

TEST_P(UpscalerTest, APixelDoesNotDependOnItsTile) {
  const std::vector<float> whole = Render({0, 0, kGrid.width, kGrid.height});
  for (const Region region : {Region{0, 0, 1, 1}, Region{42, 36, 1, 1}, Region{5, 7, 34, 3},
                              Region{0, 20, 43, 17}, Region{30, 0, 2, 37}, Region{17, 13, 23, 19}})
    EXPECT_EQ(Render(region), Cut(whole, region)) << region.x << "," << region.y;
}

TEST_P(UpscalerTest, NorOnWhatSharesTheCallOrTheMoment) {
  const Region all{0, 0, kGrid.width, kGrid.height};
  const std::vector<float> whole = Render(all);
  std::vector<std::vector<float>> outs;
  std::vector<RenderTile> tiles;
  outs.reserve(5);
  for (int64_t y = 0; y < kGrid.height; y += 14) {
    const Region region{0, y, kGrid.width, std::min<int64_t>(14, kGrid.height - y)};
    outs.emplace_back(region.pixels() * 3);
    tiles.push_back({features_.get(), context_.get(), region, absl::MakeSpan(outs.back())});
  }
  ASSERT_TRUE(upscaler_->Render(tiles).ok());
  for (size_t i = 0; i < tiles.size(); ++i) EXPECT_EQ(outs[i], Cut(whole, tiles[i].region));
  std::vector<std::thread> threads;
  std::vector<std::vector<float>> results(3);
  for (auto& result : results) threads.emplace_back([&] { result = Render(all); });
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, whole);
}

TEST_P(UpscalerTest, NorOnAnotherImageInTheCall) {
  const auto other = upscaler_->Encode(Photo(9, 12));
  ASSERT_TRUE(other.ok());
  const Grid grid{21, 31};
  const auto other_context = upscaler_->MakeContext(**other, grid, {.samples = 300});
  ASSERT_TRUE(other_context.ok());
  const Region region{3, 2, 20, 9};
  std::vector<std::vector<float>> outs(3, std::vector<float>(region.pixels() * 3));
  std::vector<RenderTile> tiles = {
      {features_.get(), context_.get(), region, absl::MakeSpan(outs[0])},
      {other->get(), other_context->get(), region, absl::MakeSpan(outs[1])},
      {features_.get(), context_.get(), region, absl::MakeSpan(outs[2])}};
  ASSERT_TRUE(upscaler_->Render(tiles).ok());
  EXPECT_EQ(outs[0], Render(region));
  EXPECT_EQ(outs[2], outs[0]);
  std::vector<float> alone(region.pixels() * 3);
  tiles[1].out = absl::MakeSpan(alone);
  ASSERT_TRUE(upscaler_->Render({tiles[1]}).ok());
  EXPECT_EQ(outs[1], alone);
  EXPECT_NE(outs[1], outs[0]);
}

TEST_P(UpscalerTest, AQueryAtThePixelsIsTheImage) {
  if (GetParam().coordinates != CoordinateMode::kExact) GTEST_SKIP() << "queries are exact";
  const std::vector<float> whole = Render({0, 0, kGrid.width, kGrid.height});
  std::vector<Coordinate> coordinates;
  std::vector<int64_t> pixels;
  for (const auto& [row, column] :
       {std::pair<int64_t, int64_t>{0, 0}, {36, 42}, {31, 17}, {9, 40}}) {
    coordinates.push_back({(2.0 * static_cast<double>(row) + 1) / kGrid.height - 1,
                           (2.0 * static_cast<double>(column) + 1) / kGrid.width - 1});
    pixels.push_back(row * kGrid.width + column);
  }
  std::vector<float> out(coordinates.size() * 3);
  ASSERT_TRUE(upscaler_
                  ->Query(*features_, *context_, {2.0 / kGrid.height, 2.0 / kGrid.width},
                          coordinates, absl::MakeSpan(out))
                  .ok());
  for (size_t i = 0; i < pixels.size(); ++i)
    for (int c = 0; c < 3; ++c) EXPECT_NEAR(out[i * 3 + c], whole[pixels[i] * 3 + c], 2e-4);
}

TEST_P(UpscalerTest, RefusesWhatDoesNotFit) {
  std::vector<float> out(12);
  const auto render = [&](Region region) {
    const RenderTile tile{features_.get(), context_.get(), region, absl::MakeSpan(out)};
    return upscaler_->Render({tile}).code();
  };
  EXPECT_EQ(render({0, 0, 2, 2}), absl::StatusCode::kOk);
  EXPECT_EQ(render({0, 0, 3, 2}), absl::StatusCode::kInvalidArgument);   // out is too small
  EXPECT_EQ(render({42, 0, 2, 2}), absl::StatusCode::kInvalidArgument);  // outside
  EXPECT_EQ(render({-1, 0, 2, 2}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(upscaler_->MakeContext(*features_, {14, 19}, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(upscaler_->StartEncoding(std::make_shared<RgbImage>()).ok());
}

TEST_P(UpscalerTest, SelfEnsembleIsTheMeanOfEightFlips) {
  if (GetParam().backend == Backend::kReference || GetParam().decoder == std::string("fused")) {
    GTEST_SKIP() << "eight times as slow";
  }
  const SelfEnsemble ensemble(upscaler_.get());
  const auto features = ensemble.Encode(image_);
  ASSERT_TRUE(features.ok());
  const auto context = ensemble.MakeContext(**features, kGrid, {.samples = 300});
  ASSERT_TRUE(context.ok());
  const auto render = [&](Region region) {
    std::vector<float> out(region.pixels() * 3);
    const RenderTile tile{features->get(), context->get(), region, absl::MakeSpan(out)};
    EXPECT_TRUE(ensemble.Render({tile}).ok());
    return out;
  };
  const std::vector<float> whole = render({0, 0, kGrid.width, kGrid.height});
  const Region part{11, 13, 20, 17};
  EXPECT_EQ(render(part), Cut(whole, part));
  // Near the single result, and not equal to it.
  const std::vector<float> single = Render({0, 0, kGrid.width, kGrid.height});
  double difference = 0;
  for (size_t i = 0; i < whole.size(); ++i) difference += std::abs(whole[i] - single[i]);
  difference /= static_cast<double>(whole.size());
  EXPECT_GT(difference, 1e-5);
  EXPECT_LT(difference, 0.1);
}

INSTANTIATE_TEST_SUITE_P(Backends, UpscalerTest,
                         ::testing::Values(Setting{Backend::kReference, CoordinateMode::kExact},
                                           Setting{Backend::kReference, CoordinateMode::kReference},
                                           Setting{Backend::kTorch, CoordinateMode::kExact},
                                           Setting{Backend::kTorch, CoordinateMode::kReference},
                                           Setting{Backend::kTorch, CoordinateMode::kExact,
                                                   Precision::kBFloat16, "fused"},
                                           Setting{Backend::kFused, CoordinateMode::kExact},
                                           Setting{Backend::kFused, CoordinateMode::kReference},
                                           Setting{Backend::kFused, CoordinateMode::kExact,
                                                   Precision::kBFloat16}));

// The encoder is one, whatever decodes behind it.
TEST(BFloat16, WeighsTheEncoderOnce) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif-fast.safetensors"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto bytes = [&](Precision precision) {
    const auto upscaler =
        MakeUpscaler(*checkpoint, {.backend = Backend::kFused, .precision = precision});
    return upscaler.ok() ? (*upscaler)->weights_bytes() : 0;
  };
  EXPECT_LT(bytes(Precision::kBFloat16), bytes(Precision::kFloat32));
}

// Defect: a thread that met LibTorch while another encoded by many threads kept their number.
TEST(Threads, OfOneWorkerAreNoOthers) {
  SetIntraOpThreads(1);
  absl::Notification many, met;
  std::thread encodes([&] {
    const ScopedThreads four(4);
    many.Notify();
    met.WaitForNotification();
  });
  std::thread other([&] {
    many.WaitForNotification();
    { const ScopedThreads two(2); }
    EXPECT_EQ(at::get_num_threads(), 1);
    met.Notify();
  });
  encodes.join();
  other.join();
}

TEST(Backends, GiveTheSameImage) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif.safetensors"));
  ASSERT_TRUE(checkpoint.ok());
  const auto image = Photo(20, 26);
  const Grid grid{61, 55};
  std::vector<std::vector<float>> outs;
  for (const Backend backend : {Backend::kReference, Backend::kTorch, Backend::kFused}) {
    const auto upscaler =
        MakeUpscaler(*checkpoint, {.backend = backend, .precision = Precision::kFloat32});
    ASSERT_TRUE(upscaler.ok());
    const auto features = (*upscaler)->Encode(image);
    const auto context = (*upscaler)->MakeContext(**features, grid, {});
    outs.emplace_back(grid.height * grid.width * 3);
    const RenderTile tile{features->get(),
                          context->get(),
                          {0, 0, grid.width, grid.height},
                          absl::MakeSpan(outs.back())};
    ASSERT_TRUE((*upscaler)->Render({tile}).ok());
  }
  for (size_t i = 0; i < outs[0].size(); ++i) {
    ASSERT_NEAR(outs[0][i], outs[1][i], 5e-4) << i;
    ASSERT_NEAR(outs[0][i], outs[2][i], 5e-4) << i;
  }
}

std::vector<float> Rendered(const Upscaler& upscaler, const RgbImage& image, Grid grid) {
  const auto features = upscaler.Encode(std::make_shared<const RgbImage>(image));
  const auto context = upscaler.MakeContext(**features, grid, {.samples = 300});
  std::vector<float> out(grid.height * grid.width * 3);
  const RenderTile tile{
      features->get(), context->get(), {0, 0, grid.width, grid.height}, absl::MakeSpan(out)};
  const absl::Status status = upscaler.Render({&tile, 1});
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

using Values = std::map<std::string, std::vector<float>>;

// The shipped weights, changed, as a file.
absl::StatusOr<Checkpoint> Changed(const std::function<void(Values&)>& change) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif.safetensors"));
  if (!checkpoint.ok()) return checkpoint.status();
  const auto& views = checkpoint->tensors().tensors();
  Values values;
  for (const auto& [name, view] : views) values[name] = *checkpoint->tensors().Floats(name);
  change(values);
  std::map<std::string, TensorToWrite> tensors;
  for (const auto& [name, value] : values) {
    tensors[name] = {TensorType::kF32, views.at(name).shape,
                     absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(value.data()),
                                         value.size() * sizeof(float))};
  }
  const std::string path = ::testing::TempDir() + "changed.safetensors";
  const absl::Status status = WriteSafetensors(path, tensors, checkpoint->metadata());
  if (!status.ok()) return status;
  return Checkpoint::Open(path);
}

TEST(BFloat16, IsNearFloat32AndRecomputesNothing) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif.safetensors"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  std::vector<std::vector<float>> outs;
  for (const Precision precision : {Precision::kFloat32, Precision::kBFloat16}) {
    const auto upscaler =
        MakeUpscaler(*checkpoint, {.backend = Backend::kFused, .precision = precision});
    ASSERT_TRUE(upscaler.ok());
    EXPECT_EQ((*upscaler)->precision(), precision == Precision::kFloat32 ? "float32" : "bfloat16");
    const int64_t before = RecomputedPieces();
    outs.push_back(Rendered(**upscaler, *Photo(20, 26), {61, 55}));
    EXPECT_EQ(RecomputedPieces(), before);
  }
  double squares = 0;
  for (size_t i = 0; i < outs[0].size(); ++i) squares += std::pow(outs[0][i] - outs[1][i], 2);
  const double rms = std::sqrt(squares / static_cast<double>(outs[0].size()));
  EXPECT_GT(rms, 0);
  EXPECT_LT(rms, 4e-3);  // half a level of 255 on the [-1,1] range
}

// A weight that is finite in float32 and infinite in bfloat16, behind a hidden value that is 0.
TEST(BFloat16, WhatIsNotFiniteIsComputedAgainInFloat32) {
  const auto checkpoint = Changed([](Values& values) {
    std::vector<float>& fc1 = values["fc_layers.0.fc1.weight"];
    std::fill_n(fc1.begin(), values["fc_layers.0.norm.weight"].size(), 0.0f);  // its first row
    values["fc_layers.0.fc1.bias"][0] = 0.0f;
    values["fc_layers.0.fc2.weight"][0] = std::numeric_limits<float>::max();
  });
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto reduced =
      MakeUpscaler(*checkpoint, {.backend = Backend::kFused, .precision = Precision::kBFloat16});
  const auto exact =
      MakeUpscaler(*checkpoint, {.backend = Backend::kFused, .precision = Precision::kFloat32});
  ASSERT_TRUE(reduced.ok() && exact.ok());
  const auto image = Photo(20, 26);
  const int64_t before = RecomputedPieces();
  // The latent codes are of bfloat16 factors still.
  using ::testing::FloatNear;
  using ::testing::Pointwise;
  EXPECT_THAT(Rendered(**reduced, *image, {40, 52}),
              Pointwise(FloatNear(4e-3f), Rendered(**exact, *image, {40, 52})));
  EXPECT_GT(RecomputedPieces(), before);
  // Queries too.
  const std::vector<Coordinate> coordinates = {{0.1, 0.2}, {-0.7, 0.9}};
  std::vector<std::vector<float>> outs;
  for (const auto* upscaler : {reduced->get(), exact->get()}) {
    const auto features = upscaler->Encode(image);
    const auto context = upscaler->MakeContext(**features, {40, 52}, {.samples = 300});
    outs.emplace_back(coordinates.size() * 3);
    const absl::Status status = upscaler->Query(**features, **context, Cell{0.05, 0.04},
                                                coordinates, absl::MakeSpan(outs.back()));
    ASSERT_TRUE(status.ok()) << status;
  }
  EXPECT_THAT(outs[0], Pointwise(FloatNear(4e-3f), outs[1]));
}

// Whether a worker was alone when it encoded must not show in the result.
TEST(Encoding, DoesNotDependOnTheNumberOfThreads) {
  std::vector<std::string> checkpoints = {
      testing::RepositoryPath("models/edsr-baseline-hiif.safetensors"),
      testing::RepositoryPath("models/dat-light-hiif-fast.safetensors")};
  for (const char* encoder : {"rdn", "swinir"}) {
    const std::string path =
        testing::SharedPath(absl::StrCat("fixtures/hiif-", encoder, ".weights.safetensors"));
    if (std::filesystem::exists(path)) checkpoints.push_back(path);
  }
  for (const std::string& path : checkpoints) {
    auto checkpoint = Checkpoint::Open(path);
    if (!checkpoint.ok()) checkpoint = Checkpoint::OpenForeign(path);
    ASSERT_TRUE(checkpoint.ok()) << path << ": " << checkpoint.status();
    const auto upscaler =
        MakeUpscaler(*checkpoint, {.backend = Backend::kFused, .precision = Precision::kFloat32});
    ASSERT_TRUE(upscaler.ok()) << upscaler.status();
    for (const auto& [height, width] : {std::pair<int, int>{37, 53}, {64, 100}, {5, 200}}) {
      const auto image = Photo(height, width);
      std::vector<std::vector<float>> outs;
      for (const int threads : {1, 2, 3}) {
        const auto encoding = (*upscaler)->StartEncoding(image);
        ASSERT_TRUE(encoding.ok());
        for (int block = 0; block < (*encoding)->blocks(); ++block) {
          ASSERT_TRUE((*encoding)->EncodeBlock(block, threads).ok());
        }
        const auto features = (*encoding)->Finish();
        ASSERT_TRUE(features.ok());
        const Grid grid{height, width};
        const auto context = (*upscaler)->MakeContext(**features, grid, {.samples = 256});
        outs.emplace_back(static_cast<size_t>(height) * width * 3);
        const RenderTile tile{
            features->get(), context->get(), {0, 0, width, height}, absl::MakeSpan(outs.back())};
        ASSERT_TRUE((*upscaler)->Render({&tile, 1}).ok());
      }
      EXPECT_EQ(outs[0], outs[1]) << path << " " << height << " x " << width;
      EXPECT_EQ(outs[0], outs[2]) << path << " " << height << " x " << width;
    }
  }
}

// Features of an image that is encoded in blocks, against the reference, which takes it whole.
TEST(Encoding, InBlocksGivesTheFeaturesOfTheWhole) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif.safetensors"));
  ASSERT_TRUE(checkpoint.ok());
  const auto fused =
      MakeUpscaler(*checkpoint, {.backend = Backend::kFused, .precision = Precision::kFloat32});
  const auto reference = MakeUpscaler(*checkpoint, {.backend = Backend::kReference});
  ASSERT_TRUE(fused.ok() && reference.ok());
  const auto image = Photo(16, 800);
  EXPECT_GT((*(*fused)->StartEncoding(image))->blocks(), 1);
  const Grid grid{16, 800};
  // Across the seams of the blocks.
  for (const Region region : {Region{370, 0, 30, 16}, Region{755, 10, 45, 5}}) {
    std::vector<std::vector<float>> outs;
    for (const auto* upscaler : {fused->get(), reference->get()}) {
      const auto features = upscaler->Encode(image);
      const auto context = upscaler->MakeContext(**features, grid, {});
      outs.emplace_back(region.pixels() * 3);
      const RenderTile tile{features->get(), context->get(), region, absl::MakeSpan(outs.back())};
      ASSERT_TRUE(upscaler->Render({tile}).ok());
    }
    for (size_t i = 0; i < outs[0].size(); ++i) ASSERT_NEAR(outs[0][i], outs[1][i], 5e-4) << i;
  }
}

}  // namespace
}  // namespace hiif
