// hiif-data cache and hiif-train together, on networks of no size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/network.h"
#include "tests/unit/train/training_case.h"
#include "train/cached_sampler.h"
#include "train/fixed_scale.h"
#include "train/initial_weights.h"
#include "train/latent_cache.h"
#include "train/make_cache.h"
#include "train/recolour.h"
#include "train/trainer.h"

namespace hiif::train {
namespace {

using ::testing::HasSubstr;

class CachedTrainingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.data = PackWaves("data");
    options_.steps = 1;
    const std::string first = FreshPath("first");
    ASSERT_EQ(Train(options_, first, {}).value(), Outcome::kFinished);
    checkpoint_ = first + "/weights.safetensors";
    cache_ = {.data = options_.data,
              .output = FreshPath("cache"),
              .encoder = checkpoint_,
              .teachers = {Teacher(2)},
              .records = 12,
              .patch = 16,
              .patterns = 0.4,
              .max_factor = 2.5};
    options_.patch = 16;
    options_.max_scale = 2;
    options_.margin = 2;
    options_.encoder_rate = 0;
    options_.init_encoder = checkpoint_;
    options_.teacher_weight = 0.5;
    options_.data = cache_.output;
  }

  // A network of one scale with the encoder of checkpoint_.
  std::string Teacher(int64_t scale) {
    Network network = LoadNetwork(Checkpoint::Open(checkpoint_).value()).value();
    std::erase_if(network.parameters,
                  [](const auto& p) { return !p.first.starts_with("encoder."); });
    network.parameters["upsample.0.weight"] = at::full({3 * scale * scale, 8, 3, 3}, 0.01);
    network.parameters["upsample.0.bias"] = at::full({3 * scale * scale}, 0.4);
    std::map<std::string, std::string> metadata = ConfigMetadata(network.config);
    metadata["decoder"] = "pixel-shuffle";
    std::map<std::string, TensorToWrite> tensors;
    for (auto& [name, tensor] : network.parameters) {
      tensor = tensor.contiguous();
      tensors[name] = {TensorType::kF32,
                       {tensor.sizes().begin(), tensor.sizes().end()},
                       {static_cast<const uint8_t*>(tensor.const_data_ptr()), tensor.nbytes()}};
    }
    std::string path = FreshPath(absl::StrCat("teacher", scale));
    EXPECT_TRUE(WriteSafetensors(path, tensors, metadata).ok());
    return path;
  }

  absl::Status Make(const std::atomic<bool>* stop = nullptr) {
    said_.clear();
    return MakeCache(cache_, stop, [this](const std::string& line) { said_ += line + "\n"; });
  }

  double Loss(const std::string& name) {
    const std::string run = FreshPath(name);
    const TrainHooks hooks{.say = [this](const std::string& line) { said_ += line + "\n"; }};
    EXPECT_EQ(Train(options_, run, hooks).value(), Outcome::kFinished);
    const std::string log = ReadFile(run + "/log.csv").value();
    const std::string line = log.substr(log.find('\n') + 1);
    const size_t second = line.find(',', line.find(',') + 1);
    return std::stod(line.substr(second + 1));
  }

  TrainOptions options_ = TinyOptions();
  MakeCacheOptions cache_;
  std::string checkpoint_;
  std::string said_;
};

TEST_F(CachedTrainingTest, HoldsWhatTheNetworksSay) {
  ASSERT_TRUE(Make().ok());
  const auto cache = LatentCache::Open(cache_.output).value();
  ASSERT_EQ(cache->records(), 12);
  ASSERT_TRUE(cache->Verify().ok());
  const Network network = LoadNetwork(Checkpoint::Open(checkpoint_).value()).value();
  const FixedScaleNetwork teacher = FixedScaleNetwork::Load(cache_.teachers[0]).value();
  int photographs = 0;
  for (int64_t i = 0; i < 12; ++i) {
    const CacheRecord record = cache->Record(i);
    const at::Tensor patch =
        at::from_blob(const_cast<uint8_t*>(record.patch.data()), {1, 16, 16, 3}, at::kByte);
    const at::Tensor image = (patch.to(at::kFloat) / 255.0 * 2.0 - 1.0).permute({0, 3, 1, 2});
    const at::Tensor latents = EncodeImage(network, image);
    const at::Tensor kept =
        at::from_blob(const_cast<float*>(record.latents.data()), {1, 8, 16, 16}, at::kFloat);
    EXPECT_TRUE(at::allclose(latents, kept, 1e-5, 1e-5));
    if (record.kind != CacheRecord::kPhotograph) continue;
    ++photographs;
    const at::Tensor said = (teacher.Decode(latents) * 255).permute({0, 2, 3, 1});
    const at::Tensor output =
        at::from_blob(const_cast<uint8_t*>(record.outputs[0].data()), {1, 32, 32, 3}, at::kByte);
    EXPECT_LE((said - output.to(at::kFloat)).abs().max().item<double>(), 0.51);
  }
  EXPECT_GT(photographs, 3);
  EXPECT_LT(photographs, 12);
}

TEST_F(CachedTrainingTest, StoppedItGoesOnToTheSameFile) {
  ASSERT_TRUE(Make().ok());
  const std::string whole = ReadFile(cache_.output).value();
  cache_.output = FreshPath("other");
  cache_.records = 5;
  ASSERT_TRUE(Make().ok());
  cache_.records = 12;
  const std::atomic<bool> stop = true;
  const absl::Status stopped = Make(&stop);  // at once
  EXPECT_EQ(stopped.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(std::string(stopped.message()), HasSubstr("has 5 of 12 records"));
  EXPECT_THAT(said_, HasSubstr("going on at record 5"));
  ASSERT_TRUE(Make().ok());
  EXPECT_TRUE(Make(&stop).ok());  // nothing is missing
  EXPECT_EQ(ReadFile(cache_.output).value(), whole);
  cache_.seed = 2;
  EXPECT_THAT(std::string(Make().message()), HasSubstr("was made from other data"));
}

// Whether the latent codes come from the cache or from the encoder must not show.
TEST_F(CachedTrainingTest, LatentCodesOfTheCacheAreThoseThatWouldBeComputed) {
  ASSERT_TRUE(Make().ok());
  const double cached = Loss("cached");
  EXPECT_GT(cached, 0);
  EXPECT_THAT(said_, ::testing::Not(HasSubstr("another encoder")));
  options_.encoder_rate = 1e-9;  // not frozen: computed
  options_.augment = false;      // as the codes of the cache are
  EXPECT_NEAR(Loss("computed"), cached, 1e-5 * cached);
  options_.encoder_rate = 0;
  options_.init_encoder.clear();  // another encoder
  options_.seed = 5;
  Loss("another");
  EXPECT_THAT(said_, HasSubstr("latent codes of another encoder"));
}

// Codes of a cache are those of the colours that the patches had: of others they are computed.
TEST_F(CachedTrainingTest, CodesOfOtherColoursAreComputed) {
  ASSERT_TRUE(Make().ok());
  const auto cache = LatentCache::Open(cache_.output).value();
  CachedSamplerOptions options{.batch = 12, .queries = 64, .max_scale = 2, .margin = 2};
  options.recolour = 0.5;
  const CachedSampler sampler = CachedSampler::Create(cache, options).value();
  options.recolour = 0;
  const CachedSampler as_is = CachedSampler::Create(cache, options).value();
  int changed = 0;
  for (int64_t item = 0; item < 12; ++item) {
    const Sample sample = sampler.Draw(0, item);
    const Sample before = as_is.Draw(0, item);
    EXPECT_EQ(sample.latents.empty(), sample.patch != before.patch);
    EXPECT_EQ(sample.rows, before.rows);
    changed += sample.latents.empty();
  }
  EXPECT_GT(changed, 1);
  EXPECT_LT(changed, 11);

  // Frozen and not frozen see the same patches and the same codes.
  options_.recolour = 0.5;
  const double frozen = Loss("recoloured-frozen");
  options_.encoder_rate = 1e-9;
  EXPECT_NEAR(Loss("recoloured"), frozen, 1e-5 * frozen);
}

TEST_F(CachedTrainingTest, TheSameRecordsWithTheCodesOfAnotherEncoder) {
  ASSERT_TRUE(Make().ok());
  const std::string from = cache_.output;
  const double loss = Loss("from-first");
  cache_.from = from;
  cache_.output = FreshPath("again.cache");
  ASSERT_TRUE(Make().ok());
  options_.data = cache_.output;
  EXPECT_NEAR(Loss("again"), loss, 1e-6 * loss);
  EXPECT_EQ(LatentCache::Open(cache_.output).value()->records(), 12);
}

TEST_F(CachedTrainingTest, ARecordIsRecolouredWithWhatItsTeacherSays) {
  ASSERT_TRUE(Make().ok());
  cache_.from = cache_.output;
  cache_.output = FreshPath("recoloured.cache");
  cache_.recolour = 1;
  ASSERT_TRUE(Make().ok());
  const auto from = LatentCache::Open(cache_.from).value();
  const auto cache = LatentCache::Open(cache_.output).value();
  ASSERT_TRUE(cache->Verify().ok());
  ASSERT_EQ(cache->records(), 12);
  const Network network = LoadNetwork(Checkpoint::Open(checkpoint_).value()).value();
  int changed = 0;
  for (int64_t i = 0; i < 12; ++i) {
    const CacheRecord before = from->Record(i);
    const CacheRecord record = cache->Record(i);
    const Recolouring drawn = DrawRecolouring(1, cache_.seed, i, 0);
    changed += drawn != Recolouring{};
    EXPECT_EQ(record.kind, before.kind);
    EXPECT_EQ(record.patch, Recoloured(drawn, before.patch));
    EXPECT_EQ(record.original_side, before.original_side);
    EXPECT_EQ(record.original, Recoloured(drawn, before.original));
    ASSERT_EQ(record.outputs.size(), before.outputs.size());
    for (size_t t = 0; t < record.outputs.size(); ++t) {
      EXPECT_EQ(record.outputs[t], Recoloured(drawn, before.outputs[t]));
    }
    const at::Tensor patch =
        at::from_blob(const_cast<uint8_t*>(record.patch.data()), {1, 16, 16, 3}, at::kByte);
    const at::Tensor codes =
        EncodeImage(network, (patch.to(at::kFloat) / 255.0 * 2.0 - 1.0).permute({0, 3, 1, 2}));
    const at::Tensor kept =
        at::from_blob(const_cast<float*>(record.latents.data()), {1, 8, 16, 16}, at::kFloat);
    EXPECT_TRUE(at::allclose(codes, kept, 1e-5, 1e-5));
  }
  EXPECT_GT(changed, 8);
  cache_.seed = 2;  // of other colours
  EXPECT_THAT(std::string(Make().message()), HasSubstr("was made from other data"));
}

TEST_F(CachedTrainingTest, AllRecordsOfAnotherCacheAreTakenUnlessTheirNumberIsGiven) {
  const int64_t records = kDefaultRecords + 1;
  cache_.from = FreshPath("long");
  {
    const auto writer =
        LatentCacheWriter::Open(cache_.from, {16, 1, {}, "digest", "a test"}).value();
    const std::vector<uint8_t> patch(16 * 16 * 3, 100);
    const std::vector<float> latents(16 * 16);
    const CacheRecord record{CacheRecord::kPixelPattern, 0, patch, {}, {}, latents};
    while (writer->records() < records) ASSERT_TRUE(writer->Append(record).ok());
  }
  cache_.records.reset();
  ASSERT_TRUE(Make().ok());
  EXPECT_EQ(LatentCache::Open(cache_.output).value()->records(), records);
  cache_.records = 7;
  cache_.output = FreshPath("some");
  ASSERT_TRUE(Make().ok());
  EXPECT_EQ(LatentCache::Open(cache_.output).value()->records(), 7);
  cache_.records = 0;
  EXPECT_THAT(std::string(Make().message()), HasSubstr("--records"));
}

double DistanceToPatch(const Sample& sample) {
  double distance = 0;
  for (size_t q = 0; q < sample.rows.size(); ++q) {
    const int64_t row = sample.rows[q] * 16 / sample.side;
    const int64_t column = sample.columns[q] * 16 / sample.side;
    for (int c = 0; c < 3; ++c) {
      distance += std::abs(sample.colours[q * 3 + c] - sample.patch[(row * 16 + column) * 3 + c]);
    }
  }
  return distance;
}

// With the encoder learning, patch and targets are turned together: no other pixel is taught.
TEST_F(CachedTrainingTest, APatchIsTurnedWithWhatItsTeacherSays) {
  ASSERT_TRUE(Make().ok());
  const auto cache = LatentCache::Open(cache_.output).value();
  const CachedSamplerOptions plain{.batch = 12, .queries = 64, .max_scale = 2, .margin = 2};
  CachedSamplerOptions turned = plain;
  turned.augment = true;
  const CachedSampler as_is = CachedSampler::Create(cache, plain).value();
  const CachedSampler sampler = CachedSampler::Create(cache, turned).value();
  int different = 0;
  for (int64_t item = 0; item < 12; ++item) {
    const Sample sample = sampler.Draw(0, item);
    const Sample before = as_is.Draw(0, item);
    EXPECT_TRUE(sample.latents.empty());
    EXPECT_FALSE(before.latents.empty());
    different += sample.patch != before.patch;
    // The same pixels, elsewhere.
    std::vector<uint8_t> a = sample.patch, b = before.patch;
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    EXPECT_EQ(a, b);
    // The colour asked for at a query is as near to that of the patch there as before.
    EXPECT_LT(DistanceToPatch(sample), 1.6 * DistanceToPatch(before) + 64);
  }
  EXPECT_GT(different, 5);
}

TEST_F(CachedTrainingTest, DamagedPatchesAreOfTheSameOriginals) {
  ASSERT_TRUE(Make().ok());
  const auto clean = LatentCache::Open(cache_.output).value();
  cache_.degrade = 1;
  cache_.output = FreshPath("damaged");
  ASSERT_TRUE(Make().ok());
  const auto damaged = LatentCache::Open(cache_.output).value();
  ASSERT_EQ(damaged->records(), clean->records());
  int photographs = 0;
  for (int64_t i = 0; i < clean->records(); ++i) {
    const CacheRecord a = clean->Record(i);
    const CacheRecord b = damaged->Record(i);
    EXPECT_EQ(a.original, b.original);
    if (a.kind != CacheRecord::kPhotograph) {
      EXPECT_EQ(a.patch, b.patch);
      continue;
    }
    ++photographs;
    EXPECT_NE(a.patch, b.patch);
  }
  EXPECT_GT(photographs, 3);
}

TEST_F(CachedTrainingTest, SquaresAreALossToo) {
  ASSERT_TRUE(Make().ok());
  const double l1 = Loss("l1");
  options_.loss = "mse";
  EXPECT_LT(Loss("mse"), l1);
  options_.loss = "l3";
  EXPECT_THAT(std::string(Train(options_, FreshPath("l3"), {}).status().message()),
              HasSubstr("neither l1 nor mse"));
}

TEST_F(CachedTrainingTest, RefusesWhatDoesNotGoTogether) {
  ASSERT_TRUE(Make().ok());
  const auto refusal = [&] {
    return std::string(Train(options_, FreshPath("run"), {}).status().message());
  };
  options_.patch = 8;
  EXPECT_THAT(refusal(), HasSubstr("give --patch 16"));
  options_.patch = 16;
  options_.patterns = 0.1;
  EXPECT_THAT(refusal(), HasSubstr("leave --degrade, --patterns"));
  options_.patterns = 0;
  options_.max_scale = 4;
  EXPECT_THAT(refusal(), HasSubstr("end at 2"));
  options_.max_scale = 1.5;
  options_.whole_scales = 0.5;
  EXPECT_THAT(refusal(), HasSubstr("no teacher of this cache"));
}

TEST_F(CachedTrainingTest, MakingRefusesOptionsAndFilesThatDoNotFit) {
  const MakeCacheOptions good = cache_;
  const auto refusal = [&](auto change) {
    cache_ = good;
    cache_.output = FreshPath("refused");
    change(cache_);
    return std::string(Make().message());
  };
  EXPECT_THAT(refusal([](auto& o) { o.records = 0; }), HasSubstr("--records"));
  EXPECT_THAT(refusal([](auto& o) { o.patterns = 2; }), HasSubstr("--patterns"));
  EXPECT_THAT(refusal([](auto& o) { o.degrade = 1.5; }), HasSubstr("--degrade"));
  EXPECT_THAT(refusal([](auto& o) { o.data.clear(); }), HasSubstr("--data"));
  EXPECT_THAT(refusal([](auto& o) { o.max_factor = 9; }), HasSubstr("--max-factor"));
  EXPECT_THAT(refusal([](auto& o) { o.min_factor = 2.6, o.max_factor = 3; }),
              HasSubstr("below 42"));
  EXPECT_THAT(refusal([](auto& o) { o.teachers.push_back(o.teachers[0]); }),
              HasSubstr("two teachers"));
  EXPECT_THAT(refusal([&](auto& o) { o.teachers[0] = checkpoint_; }),
              HasSubstr("not a network of one scale"));
  EXPECT_THAT(refusal([](auto& o) { o.encoder = "absent.safetensors"; }), HasSubstr("absent"));
  EXPECT_THAT(refusal([](auto& o) { o.from = "absent.cache"; }), HasSubstr("absent"));
  EXPECT_THAT(refusal([](auto& o) { o.recolour = 0.5; }), HasSubstr("needs --from"));
  for (const double part : {-0.1, 1.1, std::nan("")}) {
    EXPECT_THAT(refusal([part](auto& o) { o.recolour = part; }), HasSubstr("must lie in [0,1]"));
  }
}

}  // namespace
}  // namespace hiif::train
