#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint.h"
#include "model/format/safetensors.h"
#include "tests/testing/paths.h"

namespace hiif {
namespace {

using ::testing::HasSubstr;

class SafetensorsTest : public ::testing::Test {
 protected:
  // A file of a header and data, and what reading it says.
  absl::Status Read(const std::string& header, const std::string& data) {
    const uint64_t length = header.size();
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(&length), 8);
    file << header << data;
    file.close();
    return Safetensors::Read(path_).status();
  }
  const std::string path_ = ::testing::TempDir() + "/test.safetensors";
};

constexpr char kOne[] = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

TEST_F(SafetensorsTest, ReadsWhatItWrites) {
  const std::vector<float> values = {1.5f, -2.0f, 0.25f};
  const std::map<std::string, TensorToWrite> tensors = {
      {"w", {TensorType::kF32, {3, 1}, {reinterpret_cast<const uint8_t*>(values.data()), 12}}}};
  ASSERT_TRUE(WriteSafetensors(path_, tensors, {{"key", "value \"quoted\"\n"}}).ok());
  const auto read = Safetensors::Read(path_);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*(*read)->Floats("w"), values);
  EXPECT_EQ((*read)->metadata().at("key"), "value \"quoted\"\n");
  EXPECT_EQ((*read)->tensors().at("w").shape, (std::vector<int64_t>{3, 1}));
  EXPECT_FALSE((*read)->Floats("v").ok());
}

TEST_F(SafetensorsTest, ReadsHalfPrecision) {
  // 1.0, -2.0, smallest subnormal of float16; 1.0 and 3.140625 of bfloat16.
  const std::string data("\x00\x3c\x00\xc0\x01\x00\x80\x3f\x49\x40", 10);
  ASSERT_TRUE(Read(R"({"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},)"
                   R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[6,10]}})",
                   data)
                  .ok());
  const auto read = Safetensors::Read(path_);
  EXPECT_EQ(*(*read)->Floats("h"), (std::vector<float>{1.0f, -2.0f, std::ldexp(1.0f, -24)}));
  EXPECT_EQ(*(*read)->Floats("b"), (std::vector<float>{1.0f, 3.140625f}));
}

TEST_F(SafetensorsTest, RefusesEveryMalformedFile) {
  const std::string eight(8, '\0');
  ASSERT_TRUE(Read(kOne, eight).ok());
  const auto one = [](const std::string& tensor) { return absl::StrCat("{\"a\":", tensor, "}"); };
  const struct {
    std::string header;
    std::string data;
  } cases[] = {
      {"", ""},
      {"{", eight},
      {"[]", ""},
      {kOne, eight + "x"},                                                   // bytes left over
      {kOne, std::string(7, '\0')},                                          // truncated
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"), eight},   // size and shape
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), eight},   // backwards
      {one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), eight},  // negative
      {one(R"({"dtype":"Q7","shape":[2],"data_offsets":[0,8]})"), eight},    // unknown type
      {one(R"({"dtype":"F32","shape":"2","data_offsets":[0,8]})"), eight},   // wrong kind
      {one(R"({"dtype":"F32","shape":[2]})"), eight},                        // no offsets
      {one(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]})"), ""},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       std::string(4, '\0')},  // overlap
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
       std::string(12, '\0')},  // hole
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       eight},  // twice
  };
  for (const auto& test : cases) {
    const absl::Status status = Read(test.header, test.data);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << test.header << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  }
  std::ofstream(path_, std::ios::trunc) << "short";
  EXPECT_EQ(Safetensors::Read(path_).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Safetensors::Read("/no/such/file").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SafetensorsTest, HostileHeadersAreCheap) {
  const auto one = [](const std::string& dtype) {
    return absl::StrCat(R"({"t":{"dtype":)", dtype, R"(,"shape":[],"data_offsets":[0,0]}})");
  };
  std::string many = "{\"t\":[0";
  for (int i = 0; i < 2'000'000; ++i) many += ",0";
  const std::string cases[] = {
      one(std::string(100'000, '[') + std::string(100'000, ']')),
      absl::StrCat("{\"a\":", std::string(7'000'000, '[')),
      many + "]}",
      std::string(15 << 20, ' '),
  };
  for (const std::string& header : cases) {
    const absl::Status status = Read(header, "");
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_LT(status.message().size(), path_.size() + 200);
  }
}

TEST_F(SafetensorsTest, MessagesHoldNoBytesOfOtherFiles) {
  std::ofstream(path_, std::ios::trunc) << "root:hunter2:TOPSECRET-LINE\n";
  const std::string message(Safetensors::Read(path_).status().message());
  EXPECT_EQ(message, path_ + ": its header is longer than the file or than 16 MiB");
  // Names are shown, shortened and escaped.
  const absl::Status status =
      Read(absl::StrCat(R"({"\u001b[2J)", std::string(1000, 'n'), R"(":{"dtype":"F32"}})"), "");
  EXPECT_THAT(std::string(status.message()), HasSubstr(R"("\033[2Jnnn)"));
  EXPECT_LT(status.message().size(), path_.size() + 200);
}

TEST_F(SafetensorsTest, BoundsTheFile) {
  ASSERT_TRUE(Read(kOne, std::string(8, '\0')).ok());
  const int64_t size = static_cast<int64_t>(std::filesystem::file_size(path_));
  EXPECT_TRUE(Safetensors::Open(path_, {.max_bytes = size}).ok());
  EXPECT_EQ(Safetensors::Open(path_, {.max_bytes = size - 1}).status().code(),
            absl::StatusCode::kInvalidArgument);
  // 1 TB on paper, in a file without blocks: nothing of that size is taken.
  Read(R"({"a":{"dtype":"F32","shape":[250000000000],"data_offsets":[0,1000000000000]}})", "")
      .IgnoreError();
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) + 1'000'000'000'000);
  EXPECT_EQ(Safetensors::Open(path_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SafetensorsTest, WritesAChecksumAndVerifiesIt) {
  const std::vector<float> values = {1.5f, -2.0f, 0.25f};
  ASSERT_TRUE(
      WriteSafetensors(
          path_,
          {{"w", {TensorType::kF32, {3}, {reinterpret_cast<const uint8_t*>(values.data()), 12}}}},
          {{"data_sha256", "of another file"}})
          .ok());
  const auto read = Safetensors::Read(path_);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)->metadata().at("data_sha256").size(), 64);
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('\x3f');
  file.close();
  const absl::Status flipped = Safetensors::Read(path_).status();
  EXPECT_EQ(flipped.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(flipped.message()), HasSubstr("checksum"));
}

TEST_F(SafetensorsTest, AFileThatChangesIsNotTaken) {
  ASSERT_TRUE(Read(kOne, std::string(8, 'x')).ok());
  auto cut = Safetensors::Open(path_);
  ASSERT_TRUE(cut.ok());
  std::filesystem::resize_file(path_, 20);
  EXPECT_EQ((*cut)->Load().code(), absl::StatusCode::kAborted);
  ASSERT_TRUE(Read(kOne, std::string(8, 'x')).ok());
  auto longer = Safetensors::Open(path_);
  ASSERT_TRUE(longer.ok());
  std::ofstream(path_, std::ios::app) << "more";
  EXPECT_EQ((*longer)->Load().code(), absl::StatusCode::kAborted);
}

// A small network with every parameter, to be spoilt.
class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() {
    config_.encoder = EdsrConfig{8, 1};
    config_.decoder = HiifConfig{64, 3, 4, 1};
    metadata_ = ConfigMetadata(config_);
    for (const auto& [name, shape] : ParameterShapes(config_)) {
      const int64_t count =
          std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
      values_[name].assign(count, 0.5f);
      shapes_[name] = shape;
    }
  }
  absl::StatusOr<Checkpoint> Open() {
    std::map<std::string, TensorToWrite> tensors;
    for (const auto& [name, values] : values_)
      tensors[name] = {TensorType::kF32,
                       shapes_[name],
                       {reinterpret_cast<const uint8_t*>(values.data()), values.size() * 4}};
    EXPECT_TRUE(WriteSafetensors(path_, tensors, metadata_).ok());
    return Checkpoint::Open(path_);
  }
  std::string Refusal() {
    const auto checkpoint = Open();
    return checkpoint.ok() ? "accepted" : std::string(checkpoint.status().message());
  }
  const std::string path_ = ::testing::TempDir() + "/checkpoint.safetensors";
  ModelConfig config_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, std::vector<float>> values_;
  std::map<std::string, std::vector<int64_t>> shapes_;
};

TEST_F(CheckpointTest, ReadsItsConfiguration) {
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->config(), config_);
  EXPECT_EQ(checkpoint->digest().size(), 64);
}

TEST_F(CheckpointTest, IsStrictAboutItsTensors) {
  auto saved = values_;
  values_.erase("freq.bias");
  EXPECT_THAT(Refusal(), HasSubstr("freq.bias"));
  values_ = saved;
  values_["freq.more"] = {1};
  shapes_["freq.more"] = {1};
  EXPECT_THAT(Refusal(), HasSubstr("freq.more"));
  values_ = saved;
  shapes_["freq.weight"] = {8, 64, 3, 3};
  EXPECT_THAT(Refusal(), HasSubstr("freq.weight"));
  shapes_["freq.weight"] = {64, 8, 3, 3};
  values_["freq.weight"][7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(Refusal(), HasSubstr("freq.weight"));
  values_["freq.weight"][7] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(Refusal(), HasSubstr("freq.weight"));
  values_ = saved;
  EXPECT_TRUE(Open().ok());
}

// The second network of a model for photographs: all of it, of the same sizes, finite, or none.
TEST_F(CheckpointTest, AFaithfulNetworkIsWholeOrNotThere) {
  EXPECT_FALSE(Open()->has_faithful());
  for (const auto& [name, shape] : ParameterShapes(config_)) {
    values_["faithful." + name] = values_[name];
    shapes_["faithful." + name] = shape;
  }
  values_["faithful.freq.bias"].assign(64, 0.25f);
  const auto both = Open();
  ASSERT_TRUE(both.ok()) << both.status();
  ASSERT_TRUE(both->has_faithful());
  const Checkpoint faithful = both->Faithful();
  EXPECT_FALSE(faithful.has_faithful());
  EXPECT_EQ(faithful.config(), config_);
  EXPECT_EQ(faithful.digest(), both->digest());
  EXPECT_EQ(faithful.parameters(), both->parameters());
  EXPECT_EQ(faithful.tensors().Floats("freq.bias")->front(), 0.25f);
  EXPECT_EQ(both->tensors().Floats("freq.bias")->front(), 0.5f);

  const auto saved = values_;
  values_.erase("faithful.freq.bias");
  EXPECT_THAT(Refusal(), HasSubstr("faithful.freq.bias"));
  values_ = saved;
  values_["faithful.more"] = {1};
  shapes_["faithful.more"] = {1};
  EXPECT_THAT(Refusal(), HasSubstr("faithful.more"));
  values_ = saved;
  shapes_["faithful.freq.weight"] = {8, 64, 3, 3};
  EXPECT_THAT(Refusal(), HasSubstr("faithful.freq.weight"));
  shapes_["faithful.freq.weight"] = {64, 8, 3, 3};
  values_["faithful.freq.weight"][7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(Refusal(), HasSubstr("faithful.freq.weight"));
  values_ = saved;
  values_.erase("freq.bias");  // the first one is needed all the same
  EXPECT_THAT(Refusal(), HasSubstr("freq.bias"));
}

TEST_F(CheckpointTest, IsStrictAboutItsMetadata) {
  for (const auto& [key, value] : ConfigMetadata(config_)) {
    metadata_ = ConfigMetadata(config_);
    metadata_.erase(key);
    EXPECT_THAT(Refusal(), HasSubstr(key));
    metadata_[key] = "nonsense";
    EXPECT_NE(Refusal(), "accepted") << key;
  }
}

// Lists of models hold the metadata of each: one file must not make them too long to be sent.
TEST_F(CheckpointTest, BoundsItsMetadata) {
  metadata_["provenance"] = std::string(10'000, 'p');
  EXPECT_TRUE(Open().ok());
  metadata_["provenance"] = std::string(20'000, 'p');
  EXPECT_THAT(Refusal(), HasSubstr("bytes of metadata"));
}

// Files of a kilobyte that count billions of layers.
TEST_F(CheckpointTest, ConfigurationsThatCountBillionsAreCheap) {
  const auto metadata = ConfigMetadata(config_);
  std::string depths = "[65536";
  for (int i = 0; i < 300; ++i) depths += ",65536";
  depths += "]";
  std::string heads = "[1";
  for (int i = 0; i < 300; ++i) heads += ",1";
  heads += "]";
  const std::pair<const char*, std::string> encoders[] = {
      {"edsr-baseline", R"({"features":65536,"blocks":65536})"},
      {"rdn", R"({"base_features":1,"blocks":65536,"layers_per_block":65536,"growth":1})"},
      {"rdn", R"({"base_features":65536,"blocks":65536,"layers_per_block":65536,"growth":65536})"},
      {"swinir", absl::StrCat(R"({"embed_dim":1,"depths":)", depths, R"(,"heads":)", heads,
                              R"(,"window":8,"mlp_hidden":1,"output_features":1})")},
  };
  for (const auto& [name, config] : encoders) {
    metadata_ = metadata;
    metadata_["encoder"] = name;
    metadata_["encoder_config"] = config;
    EXPECT_THAT(Refusal(), HasSubstr("encoder_config")) << config.substr(0, 100);
  }
  metadata_ = metadata;
  metadata_["decoder_config"] =
      R"({"width":64,"levels":3,"heads":4,"attention_blocks":65536,"ablation":"none"})";
  EXPECT_THAT(Refusal(), HasSubstr("needs attention_blocks"));
  metadata_["decoder_config"] = std::string(10'000, '[');
  EXPECT_THAT(Refusal(), HasSubstr("decoder_config: JSON nested more than 2 deep"));
}

int64_t Count(const ModelConfig& config) {
  int64_t sum = 0;
  for (const auto& [name, shape] : ParameterShapes(config))
    sum += std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  return sum;
}

// model.md 1 and 2: the sizes of the paper's networks.
TEST(ParameterCount, IsThatOfThePaper) {
  const int64_t decoder = 1'735'071;
  EXPECT_EQ(Count({EdsrConfig{}, HiifConfig{}}) - decoder, 1'220'416);
  EXPECT_EQ(Count({RdnConfig{}, HiifConfig{}}) - decoder, 21'973'952);
  EXPECT_EQ(Count({SwinIrConfig{}, HiifConfig{}}) - decoder, 11'603'044);
  // Of 60 features, and without its upsampler.
  const int64_t decoder_of_60 = decoder - 4 * 9 * 256;
  EXPECT_EQ(Count({DatConfig{}, HiifConfig{}}) - decoder_of_60, 544'278);
  EXPECT_EQ(Count({EdsrConfig{}, LiifConfig{}}) - 1'220'416, 346'883);
}

TEST(ShippedModel, IsTheDefaultNetwork) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif.safetensors"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->config(), ModelConfig());
  EXPECT_EQ(checkpoint->parameters(), 1'735'071 + 1'220'416);
  EXPECT_FALSE(checkpoint->metadata().at("license").empty());
  EXPECT_TRUE(checkpoint->metadata().contains("data_sha256"));
}

}  // namespace
}  // namespace hiif
