// Names, sizes and parameters of every decoder.
#include "model/decoders/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "model/checkpoint/checkpoint.h"
#include "tests/testing/random_checkpoint.h"

namespace hiif {
namespace {

using ::testing::HasSubstr;

int64_t Count(const ModelConfig& config) {
  int64_t sum = 0;
  for (const auto& [name, shape] : ParameterShapes(config))
    sum += std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  return sum;
}

// A small one of each.
std::vector<DecoderConfig> SmallDecoders() {
  return {HiifConfig{.width = 32, .levels = 3, .heads = 4},
          LiifConfig{{16, 8}},
          MetaSrConfig{12},
          LteConfig{16, {8, 12}, 4},
          ClitConfig{.features = 8, .heads = 2, .radius = 2, .stages = 2, .hidden = {8, 8}},
          CiaoSrConfig{{8, 12}, {10}, {6, 6}, true},
          SrnoConfig{.width = 16, .heads = 4, .attention_blocks = 2, .hidden = 20}};
}

// docs/decoders.md, sizes at 64 channels of latent codes and as published.
TEST(Decoders, HaveTheParametersOfThePaper) {
  const auto decoder = [](const DecoderConfig& config) {
    return Count({EdsrConfig{}, config}) - 1'220'416;
  };
  EXPECT_EQ(decoder(MetaSrConfig{}), 445'120);
  EXPECT_EQ(decoder(LteConfig{}), 493'827);
  EXPECT_EQ(decoder(ClitConfig{.stages = 1}), 5'328'651);
  EXPECT_EQ(decoder(ClitConfig{.stages = 2}), 10'509'070);
  EXPECT_EQ(decoder(ClitConfig{}), 15'689'489);
  EXPECT_NEAR(static_cast<double>(decoder(CiaoSrConfig{})), 1'428'614, 1);  // with a constant
  EXPECT_EQ(decoder(SrnoConfig{}), 794'883);
}

// Multiply-adds an output pixel (table 3).
TEST(Decoders, DoTheWorkOfThePaper) {
  const auto work = [](const DecoderConfig& config) {
    return config->Cost(64, {100, 100}, {400, 400}).query;
  };
  EXPECT_NEAR(work(MetaSrConfig{}), 0.445e6, 0.002e6);
  EXPECT_NEAR(work(LteConfig{}), 0.791e6, 0.001e6);
  // And what its pixels share: 256 of the grid for 1,024 of the output.
  EXPECT_NEAR(work(ClitConfig{}), 3.46e6 + 1.77e6 / 4, 0.03e6);
  EXPECT_NEAR(work(CiaoSrConfig{}), 4.44e6, 0.03e6);
  EXPECT_NEAR(work(SrnoConfig{}), 0.806e6, 0.003e6);
  EXPECT_NEAR(work(HiifConfig{}), 1.594e6, 0.01e6);
  EXPECT_NEAR(work(LiifConfig{}), 4 * 0.346e6, 0.01e6);
}

TEST(Decoders, AreReadBackFromMetadata) {
  for (const DecoderConfig& decoder : SmallDecoders()) {
    ModelConfig config{EdsrConfig{8, 1}, decoder};
    config.normalisation = {{0.4488f, 0.4371f, 0.404f}, {1, 1, 1}};
    const auto read = ConfigFromMetadata(ConfigMetadata(config));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, config) << DecoderName(decoder);
  }
  for (const DecoderConfig& decoder :
       {DecoderConfig(FilterConfig{}),
        DecoderConfig(FilterConfig{FilterConfig::Kernel::kLanczos})}) {
    const ModelConfig config{NoEncoderConfig{}, decoder};
    const auto read = ConfigFromMetadata(ConfigMetadata(config));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, config);
  }
}

TEST(Decoders, AreRecognisedByTheirTensors) {
  const std::string path = ::testing::TempDir() + "/recognised.safetensors";
  for (const DecoderConfig& decoder : SmallDecoders()) {
    const ModelConfig config{EdsrConfig{8, 1}, decoder};
    ASSERT_TRUE(testing::WriteRandomCheckpoint(path, config).ok());
    const auto foreign = Checkpoint::OpenForeign(path);
    ASSERT_TRUE(foreign.ok()) << DecoderName(decoder) << foreign.status();
    EXPECT_EQ(foreign->config(), config) << DecoderName(decoder);
  }
  // CiaoSR's SwinIR has no last convolution.
  const ModelConfig swinir{SwinIrConfig{12, {2}, {2}, 4, 24, 0}, CiaoSrConfig{{8}, {8}, {8}, true}};
  ASSERT_TRUE(testing::WriteRandomCheckpoint(path, swinir).ok());
  const auto foreign = Checkpoint::OpenForeign(path);
  ASSERT_TRUE(foreign.ok()) << foreign.status();
  EXPECT_EQ(foreign->config(), swinir);
  EXPECT_EQ(EncoderFeatures(swinir.encoder), 12);
}

std::string Refusal(ModelConfig config, const std::string& key, const std::string& value) {
  auto metadata = ConfigMetadata(config);
  metadata[key] = value;
  const auto read = ConfigFromMetadata(metadata);
  return read.ok() ? "accepted" : std::string(read.status().message());
}

TEST(Decoders, RefuseSizesThatContradictEachOther) {
  const EdsrConfig edsr{8, 1};
  EXPECT_THAT(Refusal({edsr, LteConfig{}}, "decoder_config",
                      R"({"features":15,"hidden":[8],"cell_limit":4})"),
              HasSubstr("odd"));
  EXPECT_THAT(Refusal({edsr, ClitConfig{}}, "decoder_config",
                      R"({"features":16,"heads":3,"radius":3,"stages":3,"hidden":[8],)"
                      R"("exponent_range":10})"),
              HasSubstr("heads"));
  EXPECT_THAT(Refusal({edsr, ClitConfig{}}, "decoder_config",
                      R"({"features":16,"heads":4,"radius":3,"stages":65536,"hidden":[8],)"
                      R"("exponent_range":10})"),
              HasSubstr("stages"));
  EXPECT_THAT(Refusal({edsr, ClitConfig{}}, "decoder_config",
                      R"({"features":16,"heads":4,"radius":65536,"stages":3,"hidden":[8],)"
                      R"("exponent_range":10})"),
              HasSubstr("radius"));
  EXPECT_THAT(Refusal({edsr, SrnoConfig{}}, "decoder_config",
                      R"({"width":16,"heads":0,"attention_blocks":2,"hidden":8,"cell_limit":4})"),
              HasSubstr("heads"));
  EXPECT_THAT(Refusal({edsr, SrnoConfig{}}, "decoder_config",
                      R"({"width":16,"heads":16,"attention_blocks":2,"hidden":8,"cell_limit":4})"),
              HasSubstr("width 1"));
  EXPECT_THAT(Refusal({edsr, CiaoSrConfig{}}, "decoder_config",
                      R"({"hidden_key":[8],"hidden_value":[8],"hidden_query":[8],"non_local":1})"),
              HasSubstr("non_local"));
  EXPECT_THAT(Refusal({edsr, HiifConfig{}}, "decoder", "unheard"), HasSubstr("srno"));
  // A filter takes pixels, a network does not.
  EXPECT_THAT(Refusal({NoEncoderConfig{}, FilterConfig{}}, "encoder", "none"), "accepted");
  ModelConfig mismatch{NoEncoderConfig{}, LiifConfig{}};
  EXPECT_THAT(Refusal(mismatch, "coordinates", "exact"), HasSubstr("does not go with"));
}

// A file of megabytes whose decoder took gigabytes for eight pixels.
TEST(Decoders, ThatTakeGigabytesForACallAreRefused) {
  const auto refusal = [](const DecoderConfig& decoder) {
    ModelConfig config;
    config.decoder = decoder;
    return std::string(ConfigFromMetadata(ConfigMetadata(config)).status().message());
  };
  EXPECT_EQ(refusal(LteConfig{}), "");
  EXPECT_EQ(refusal(ClitConfig{}), "");
  EXPECT_THAT(refusal(LteConfig{.features = 65536, .hidden = {1}}), HasSubstr("MiB for a call"));
}

TEST(Normalisation, IsReadStrictly) {
  const ModelConfig config{
      EdsrConfig{8, 1}, LteConfig{}, CoordinateMode::kExact, {{0.4f, 0.4f, 0.4f}, {1, 1, 1}}};
  for (const char* bad : {"", "1", "1,1", "1,1,x", "1,1,1,1", "nan,1,1", "1,inf,1"}) {
    EXPECT_THAT(Refusal(config, "mean", bad), HasSubstr("mean")) << bad;
    EXPECT_THAT(Refusal(config, "std", bad), HasSubstr("std")) << bad;
  }
  EXPECT_THAT(Refusal(config, "std", "1,0,1"), HasSubstr("std"));
  EXPECT_THAT(Refusal(config, "normalisation", "x"), HasSubstr("(x-mean)/std"));
}

}  // namespace
}  // namespace hiif
