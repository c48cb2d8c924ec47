// Adding an encoder is one file and one line in the registry: here the file is this one.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/network.h"
#include "model/cost/plan.h"
#include "model/encoders/encoder.h"
#include "model/format/object_reader.h"
#include "model/upscaler/factory.h"
#include "model/upscaler/guard.h"

namespace hiif {
namespace {

using ::testing::HasSubstr;

// One convolution.
class Toy : public Encoder {
 public:
  explicit Toy(int features) : features_(features) {}
  std::string name() const override { return "toy"; }
  nlohmann::json sizes() const override { return {{"features", features_}}; }
  int features() const override { return features_; }
  Shapes shapes() const override {
    Shapes shapes;
    AddConv(shapes, "only", features_, 3, 3);
    return shapes;
  }
  at::Tensor Forward(const Scope& scope, const at::Tensor& image,
                     const Heartbeat& beat) const override {
    Beat(beat);
    return Conv(image, scope.Below("only"));
  }
  std::optional<int64_t> receptive_field() const override { return 1; }
  double Cost(int64_t height, int64_t width) const override {
    return static_cast<double>(height * width) * MultiplyAdds(shapes());
  }
  int64_t Footprint(int64_t height, int64_t width, int value_bytes, bool) const override {
    return height * width * features_ * value_bytes;
  }

 private:
  const int features_;
};

absl::StatusOr<EncoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "encoder_config");
  const int features = reader.Size("features", 1);
  if (const absl::Status status = reader.Finish(); !status.ok()) return status;
  return EncoderConfig(std::make_shared<Toy>(features));
}

std::optional<EncoderConfig> FromTensors(const Safetensors& tensors) {
  if (!tensors.tensors().contains("encoder.only.weight")) return std::nullopt;
  return EncoderConfig(std::make_shared<Toy>(Dimension(tensors, "encoder.only.weight", 0)));
}

class ToyEncoder : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { RegisterEncoder({"toy", FromSizes, FromTensors}); }

  // A checkpoint of small weights.
  static absl::StatusOr<Checkpoint> Write() {
    ModelConfig config;
    config.encoder = EncoderConfig(std::make_shared<Toy>(16));
    config.decoder = HiifConfig{.width = 32, .heads = 2};
    std::map<std::string, std::vector<float>> values;
    std::map<std::string, TensorToWrite> tensors;
    for (const auto& [name, shape] : ParameterShapes(config)) {
      int64_t size = 1;
      for (const int64_t side : shape) size *= side;
      for (int64_t i = 0; i < size; ++i)
        values[name].push_back(static_cast<float>((i * 7 + 3) % 11 - 5) / 40.0f);
      tensors[name] = {TensorType::kF32, shape,
                       absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(values[name].data()),
                                           values[name].size() * sizeof(float))};
    }
    const std::string path = ::testing::TempDir() + "toy.safetensors";
    if (const auto status = WriteSafetensors(path, tensors, ConfigMetadata(config)); !status.ok())
      return status;
    return Checkpoint::Open(path);
  }

  static std::shared_ptr<const RgbImage> Image() {
    auto image = std::make_shared<RgbImage>();
    image->height = 20;
    image->width = 24;
    for (int i = 0; i < 20 * 24 * 3; ++i) image->samples.push_back(i * 37 % 251);
    return image;
  }
};

TEST_F(ToyEncoder, IsReadBackAndServedByEveryBackend) {
  const auto checkpoint = Write();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(EncoderName(checkpoint->config().encoder), "toy");
  EXPECT_EQ(EncoderFeatures(checkpoint->config().encoder), 16);
  const auto inferred = InferConfig(checkpoint->tensors());
  ASSERT_TRUE(inferred.ok());
  EXPECT_EQ(inferred->encoder, checkpoint->config().encoder);
  const Grid grid{50, 48};
  std::vector<std::vector<float>> outs;
  for (const Backend backend : {Backend::kReference, Backend::kTorch, Backend::kFused}) {
    const auto upscaler =
        MakeUpscaler(*checkpoint, {.backend = backend, .precision = Precision::kFloat32});
    ASSERT_TRUE(upscaler.ok()) << upscaler.status();
    EXPECT_NE((*upscaler)->identity(), "");
    const auto features = (*upscaler)->Encode(Image());
    ASSERT_TRUE(features.ok()) << features.status();
    const auto context = (*upscaler)->MakeContext(**features, grid, {});
    ASSERT_TRUE(context.ok()) << context.status();
    outs.emplace_back(grid.height * grid.width * 3);
    const RenderTile tile{
        features->get(), context->get(), {0, 0, 48, 50}, absl::MakeSpan(outs.back())};
    ASSERT_TRUE((*upscaler)->Render({&tile, 1}).ok());
  }
  for (size_t i = 0; i < outs[0].size(); ++i) {
    ASSERT_NEAR(outs[0][i], outs[1][i], 5e-4) << i;
    ASSERT_NEAR(outs[0][i], outs[2][i], 5e-4) << i;
  }
}

TEST_F(ToyEncoder, CostsWhatItSays) {
  const auto checkpoint = Write();
  ASSERT_TRUE(checkpoint.ok());
  const auto upscaler = MakeUpscaler(*checkpoint, {});
  ASSERT_TRUE(upscaler.ok());
  const WorkCost cost = (*upscaler)->Cost({20, 24}, {40, 48}, {0, 0, 48, 40}, {});
  const auto encoding = (*upscaler)->StartEncoding(Image());
  ASSERT_EQ(static_cast<int>(cost.encode.size()), (*encoding)->blocks());
  EXPECT_EQ(cost.encode_total(), 20.0 * 24 * 16 * 27);
  EXPECT_GT(cost.context, 0);
  EXPECT_DOUBLE_EQ(cost.decode, cost.coordinate * 40 * 48);
  const MemoryFootprint footprint = (*upscaler)->Footprint({20, 24}, {40, 48}, {0, 0, 48, 40}, {});
  const auto features = (*upscaler)->Encode(Image());
  EXPECT_EQ(footprint.features + 20 * 24 * 3, (*features)->bytes());
}

TEST_F(ToyEncoder, IsGivenUpWhereItsHeartbeatSaysSo) {
  const auto checkpoint = Write();
  ASSERT_TRUE(checkpoint.ok());
  const auto upscaler = MakeUpscaler(*checkpoint, {});
  const auto encoding = (*upscaler)->StartEncoding(Image());
  ASSERT_TRUE(encoding.ok());
  EXPECT_EQ((*encoding)->EncodeBlock(0, 1, [] { return false; }).code(),
            absl::StatusCode::kCancelled);
  EXPECT_FALSE((*encoding)->Finish().ok());
  EXPECT_TRUE((*encoding)->EncodeBlock(0, 1).ok());
  EXPECT_TRUE((*encoding)->Finish().ok());
}

// What is thrown below becomes a status, and no memory is its own: the server says MEMORY.
TEST(Guard, MakesAStatusOfWhatIsThrown) {
  const auto code = [](const std::function<void()>& thrower) {
    return Guard([&]() -> absl::Status {
             thrower();
             return absl::OkStatus();
           })
        .code();
  };
  EXPECT_EQ(code([] {}), absl::StatusCode::kOk);
  EXPECT_EQ(code([] { throw std::bad_alloc(); }), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code([] { std::vector<float>(SIZE_MAX / 4); }), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code([] { at::empty({int64_t{1} << 50}, at::kFloat); }),
            absl::StatusCode::kResourceExhausted);
  // As the libraries of a GPU say it.
  EXPECT_EQ(code([] { TORCH_CHECK(false, "CUDA error: out of memory"); }),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code([] { TORCH_CHECK(false, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"); }),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code([] { throw Interrupted{}; }), absl::StatusCode::kCancelled);
  EXPECT_EQ(code([] { at::zeros({2, 3}).reshape({5}); }), absl::StatusCode::kInternal);
}

// Every pixel in one block, blocks where the encoder's windows are, and costs bounded.
TEST(EncodingPlan, CoversTheImage) {
  for (const EncoderConfig& encoder :
       {EncoderConfig(EdsrConfig{}), EncoderConfig(RdnConfig{}), EncoderConfig(SwinIrConfig{})}) {
    for (const Grid size : {Grid{1, 1}, {700, 900}, {1, 100000}, {100000, 3}, {2000, 2500}}) {
      const EncodingPlan plan = PlanEncoding(*encoder, size);
      int64_t pixels = 0;
      for (int i = 0; i < static_cast<int>(plan.blocks.size()); ++i) {
        const Region& r = plan.blocks[i];
        const Region read = plan.Read(i);
        pixels += r.pixels();
        ASSERT_GT(r.pixels(), 0);
        EXPECT_EQ(r.x % encoder->alignment() + r.y % encoder->alignment(), 0);
        EXPECT_EQ(read.x % encoder->alignment() + read.y % encoder->alignment(), 0);
        EXPECT_LE(encoder->Cost(read.height, read.width), 1.2e13);
        EXPECT_LE(encoder->Footprint(read.height, read.width, 4, true), int64_t{3} << 30);
      }
      EXPECT_EQ(pixels, size.height * size.width);
    }
  }
}

// A file may be small and what it asks for not.
TEST(Encoders, ThatTakeGigabytesForASmallImageAreRefused) {
  const auto refusal = [](const EncoderConfig& encoder) {
    ModelConfig config;
    config.encoder = encoder;
    return std::string(ConfigFromMetadata(ConfigMetadata(config)).status().message());
  };
  const SwinIrConfig swinir{.embed_dim = 1,
                            .depths = {1},
                            .heads = {1},
                            .window = 32,
                            .mlp_hidden = 1,
                            .output_features = 8};
  EXPECT_EQ(refusal(swinir), "");
  SwinIrConfig other = swinir;
  other.window = 33;
  EXPECT_THAT(refusal(other), HasSubstr("windows of more than 1024 pixels"));
  other.window = 65536;
  EXPECT_THAT(refusal(other), HasSubstr("windows of more than 1024 pixels"));
  other = swinir;
  other.mlp_hidden = 65536;
  EXPECT_THAT(refusal(other), HasSubstr("MiB for an image of 96 x 96 pixels"));
  other = swinir;
  other.embed_dim = other.heads[0] = 128;
  EXPECT_THAT(refusal(other), HasSubstr("MiB for an image"));
  const DatConfig dat{.embed_dim = 128, .depths = {2}, .heads = {128}, .window_short = 32};
  EXPECT_THAT(refusal(dat), HasSubstr("MiB for an image"));
  const DatConfig wide{.depths = {2}, .window_short = 32, .window_long = 64};
  EXPECT_THAT(refusal(wide), HasSubstr("1024 pixels together at most"));
  EXPECT_EQ(refusal(DatConfig{}), "");
  EXPECT_EQ(refusal(SwinIrConfig{}), "");
  EXPECT_EQ(refusal(RdnConfig{}), "");
  EXPECT_EQ(refusal(EdsrConfig{}), "");
  EXPECT_THAT(refusal(RdnConfig{.base_features = 65536}), HasSubstr("MiB for an image"));
  EXPECT_THAT(refusal(EdsrConfig{.features = 65536, .blocks = 1}), HasSubstr("MiB for an image"));
}

// SwinIR in blocks with the halo that receptive_field() says gives the codes of the whole.
TEST(SwinIr, InBlocksGivesTheCodesOfTheWhole) {
  Network network;
  network.config.encoder = SwinIrConfig{.embed_dim = 12,
                                        .depths = {2, 3},
                                        .heads = {2, 2},
                                        .window = 4,
                                        .mlp_hidden = 16,
                                        .output_features = 8};
  at::manual_seed(1);
  for (const auto& [name, shape] : network.config.encoder->shapes()) {
    network.parameters["encoder." + name] = at::randn(shape) * 0.3;
  }
  const c10::InferenceMode inference;
  const int64_t halo = *network.config.encoder->receptive_field();
  EXPECT_EQ(halo % 4, 0);
  const at::Tensor image = at::randn({1, 3, 70, 90});
  const at::Tensor whole = EncodeImage(network, image);
  const int64_t y = 32, x = 40, side = 8;
  const int64_t top = std::max<int64_t>(0, y - halo), left = std::max<int64_t>(0, x - halo);
  const at::Tensor part =
      EncodeImage(network, image.slice(2, top, std::min<int64_t>(70, y + side + halo))
                               .slice(3, left, std::min<int64_t>(90, x + side + halo)));
  const at::Tensor expected = whole.slice(2, y, y + side).slice(3, x, x + side);
  const at::Tensor got = part.slice(2, y - top, y - top + side).slice(3, x - left, x - left + side);
  EXPECT_LT((expected - got).abs().max().item<float>(), 1e-4 * expected.abs().max().item<float>());
}

}  // namespace
}  // namespace hiif
