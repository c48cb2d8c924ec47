#include "train/latent_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>

#include "base/bicubic.h"
#include "train/cached_sampler.h"
#include "train/patterns.h"
#include "train/random.h"

namespace hiif::train {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

constexpr int64_t kPatch = 16;

CacheSettings Settings() { return {kPatch, 2, {2, 3}, "digest", "a test"}; }

// Bytes that are a function of `seed`, smooth enough to be an image.
std::vector<uint8_t> Bytes(int64_t side, int seed) {
  std::vector<uint8_t> out;
  for (int64_t i = 0; i < side * side * 3; ++i) {
    out.push_back(static_cast<uint8_t>(128 + 60 * std::sin(0.05 * static_cast<double>(i) + seed)));
  }
  return out;
}

// What a record points to.
struct Parts {
  explicit Parts(int seed)
      : patch(Bytes(kPatch, seed)),
        original(Bytes(2 * kPatch, seed + 1)),
        outputs{Bytes(2 * kPatch, seed + 2), Bytes(3 * kPatch, seed + 3)},
        latents(2 * kPatch * kPatch) {
    std::iota(latents.begin(), latents.end(), static_cast<float>(seed));
  }
  CacheRecord Record() const {
    CacheRecord record{CacheRecord::kPhotograph, 2 * kPatch, patch, original, {}, latents};
    for (const auto& output : outputs) record.outputs.emplace_back(output);
    return record;
  }
  std::vector<uint8_t> patch;
  std::vector<uint8_t> original;
  std::vector<std::vector<uint8_t>> outputs;
  std::vector<float> latents;
};

class LatentCacheTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }
  void Write(int records) {
    const auto writer = LatentCacheWriter::Open(path_, Settings());
    ASSERT_TRUE(writer.ok()) << writer.status();
    while ((*writer)->records() < records) {
      const Parts parts(static_cast<int>((*writer)->records()));
      ASSERT_TRUE((*writer)->Append(parts.Record()).ok());
    }
  }
  void Change(int64_t offset, char to) const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file.put(to);
  }
  const std::string path_ = ::testing::TempDir() + "/latent_cache_test.cache";
};

TEST_F(LatentCacheTest, ReadsWhatItWrites) {
  Write(3);
  EXPECT_TRUE(LatentCache::IsCache(path_));
  const auto cache = LatentCache::Open(path_);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ((*cache)->settings(), Settings());
  ASSERT_EQ((*cache)->records(), 3);
  EXPECT_TRUE((*cache)->Verify().ok());
  const Parts parts(1);
  const CacheRecord record = (*cache)->Record(1);
  EXPECT_EQ(record.original_side, 2 * kPatch);
  EXPECT_THAT(record.patch, ElementsAreArray(parts.patch));
  EXPECT_THAT(record.original, ElementsAreArray(parts.original));
  EXPECT_THAT(record.outputs[1], ElementsAreArray(parts.outputs[1]));
  EXPECT_THAT(record.latents, ElementsAreArray(parts.latents));
}

TEST_F(LatentCacheTest, GoesOnBehindARecordThatWasCut) {
  Write(4);
  const std::string fingerprint = (*LatentCache::Open(path_))->fingerprint();
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 100);
  EXPECT_EQ((*LatentCache::Open(path_))->records(), 3);
  Write(4);
  const auto cache = LatentCache::Open(path_);
  EXPECT_TRUE((*cache)->Verify().ok());
  EXPECT_EQ((*cache)->fingerprint(), fingerprint);
}

// As a file system leaves it where the power failed: the length is there and the bytes are not.
TEST_F(LatentCacheTest, RecordsThatAreDamagedAreWrittenAnew) {
  Write(4);
  const std::string fingerprint = (*LatentCache::Open(path_))->fingerprint();
  const auto size = std::filesystem::file_size(path_);
  std::filesystem::resize_file(path_, size - 5000);
  std::filesystem::resize_file(path_, size);
  EXPECT_FALSE((*LatentCache::Open(path_))->Verify().ok());
  {
    const auto writer = LatentCacheWriter::Open(path_, Settings());
    ASSERT_TRUE(writer.ok()) << writer.status();
    EXPECT_EQ((*writer)->records(), 3);
  }
  Write(4);
  const auto cache = LatentCache::Open(path_);
  EXPECT_TRUE((*cache)->Verify().ok());
  EXPECT_EQ((*cache)->fingerprint(), fingerprint);
}

TEST_F(LatentCacheTest, HasOneWriter) {
  const auto writer = LatentCacheWriter::Open(path_, Settings());
  ASSERT_TRUE((*writer)->Append(Parts(0).Record()).ok());
  EXPECT_TRUE((*writer)->Sync().ok());
  const absl::Status other = LatentCacheWriter::Open(path_, Settings()).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.message()), HasSubstr("another process writes to"));
  EXPECT_EQ((*LatentCache::Open(path_))->records(), 1);
}

TEST_F(LatentCacheTest, GoesOnWithAHeaderThatWasCut) {
  Write(1);
  std::filesystem::resize_file(path_, 40);
  EXPECT_FALSE(LatentCache::Open(path_).ok());
  Write(2);
  EXPECT_TRUE((*LatentCache::Open(path_))->Verify().ok());
}

TEST_F(LatentCacheTest, RefusesToGoOnWithOtherSettings) {
  Write(1);
  CacheSettings other = Settings();
  other.encoder = "another";
  const auto writer = LatentCacheWriter::Open(path_, other);
  EXPECT_EQ(writer.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(writer.status().message()), HasSubstr("name another file"));
}

TEST_F(LatentCacheTest, NamesADamagedRecord) {
  Write(3);
  Change(static_cast<int64_t>(std::filesystem::file_size(path_)) - 3000, 'x');
  const absl::Status status = (*LatentCache::Open(path_))->Verify();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("record 2 of 3"));
}

TEST_F(LatentCacheTest, RefusesWhatIsNoCache) {
  for (const std::string& text :
       {std::string("HIIFCACH"), std::string("HIIFPACK and more than sixteen bytes"),
        std::string("HIIFCACH\1\0\0\0\xff\xff\xff\xff", 16),
        std::string("HIIFCACH\2\0\0\0\2\0\0\0{}", 18),
        std::string("HIIFCACH\1\0\0\0\2\0\0\0{}", 18)}) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
    EXPECT_EQ(LatentCache::Open(path_).status().code(), absl::StatusCode::kDataLoss) << text;
  }
  for (const char* settings :
       {R"({"patch":64,"channels":60,"scales":[3,2],"encoder":"","origin":""})",
        R"({"patch":64,"channels":60,"scales":[9],"encoder":"","origin":""})",
        R"({"patch":99999999,"channels":60,"scales":[],"encoder":"","origin":""})",
        R"({"patch":64,"channels":-1,"scales":[],"encoder":"","origin":""})",
        R"({"patch":64,"channels":60,"scales":[],"encoder":1,"origin":""})"}) {
    const std::string json = settings;
    std::string head("HIIFCACH\1\0\0\0", 12);
    head += static_cast<char>(json.size());
    head += std::string(3, '\0');
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << head << json;
    const absl::Status status = LatentCache::Open(path_).status();
    EXPECT_THAT(std::string(status.message()), HasSubstr("settings")) << settings;
  }
  EXPECT_EQ(LatentCache::Open(path_ + ".absent").status().code(), absl::StatusCode::kNotFound);
}

RgbImage Square(const std::vector<uint8_t>& bytes, int64_t side) {
  return {SampleType::kU8, side, side, bytes};
}

TEST_F(LatentCacheTest, SamplesAreMixedOfTeacherAndPhotographWhereThereIsOne) {
  Write(1);
  const Parts parts(0);
  const auto cache = *LatentCache::Open(path_);
  CachedSamplerOptions options{
      .batch = 1, .queries = 50, .max_scale = 3, .teacher_weight = 0.75, .margin = 2};
  const auto sampler = CachedSampler::Create(cache, options);
  ASSERT_TRUE(sampler.ok()) << sampler.status();
  bool with = false;
  bool without = false;
  for (int64_t step = 0; step < 30; ++step) {
    const Sample sample = sampler->Draw(step, 0);
    const bool mixed = sample.side <= 2 * kPatch;
    (mixed ? with : without) = true;
    const RgbImage teacher =
        mixed ? ResizeBicubic(Square(parts.outputs[0], 2 * kPatch), {sample.side, sample.side})
              : ResizeBicubic(Square(parts.outputs[1], 3 * kPatch), {sample.side, sample.side});
    const RgbImage original =
        ResizeBicubic(Square(parts.original, 2 * kPatch), {sample.side, sample.side});
    const double scale = static_cast<double>(sample.side) / kPatch;
    for (int q = 0; q < 50; ++q) {
      const int64_t row = sample.rows[q];
      const int64_t column = sample.columns[q];
      EXPECT_GE(std::min(row, column), 2 * scale - 1);
      EXPECT_LT(std::max(row, column), static_cast<double>(sample.side) - 2 * scale + 1);
      const int64_t at = (row * sample.side + column) * 3;
      const float expected =
          mixed ? 0.75f * teacher.samples[at] + 0.25f * original.samples[at] : teacher.samples[at];
      EXPECT_NEAR(sample.colours[q * 3], expected, 1e-3);
    }
    EXPECT_THAT(sample.latents, ElementsAreArray(parts.latents));
    EXPECT_EQ(sample.patch, parts.patch);
  }
  EXPECT_TRUE(with && without);
}

TEST_F(LatentCacheTest, AtWholeScalesWhatATeacherSaysIsTakenAsItIs) {
  Write(1);
  const Parts parts(0);
  const auto cache = *LatentCache::Open(path_);
  const auto sampler = CachedSampler::Create(cache, {.batch = 1,
                                                     .queries = 50,
                                                     .max_scale = 3,
                                                     .teacher_weight = 1,
                                                     .margin = 2,
                                                     .whole_scales = 1});
  ASSERT_TRUE(sampler.ok()) << sampler.status();
  std::set<int64_t> sides;
  for (int64_t step = 0; step < 30; ++step) {
    const Sample sample = sampler->Draw(step, 0);
    sides.insert(sample.side);
    const absl::Span<const uint8_t> output = parts.outputs[sample.side == 2 * kPatch ? 0 : 1];
    for (int q = 0; q < 50; ++q) {
      const int64_t at = (sample.rows[q] * sample.side + sample.columns[q]) * 3;
      EXPECT_EQ(sample.colours[q * 3 + 1], output[at + 1]);
    }
  }
  EXPECT_THAT(sides, ElementsAre(2 * kPatch, 3 * kPatch));
}

TEST_F(LatentCacheTest, APartOfThePatchesIsAtWholeScales) {
  Write(1);
  const auto cache = *LatentCache::Open(path_);
  const auto sampler = CachedSampler::Create(
      cache, {.batch = 1, .queries = 9, .max_scale = 3, .margin = 2, .whole_scales = 0.5});
  ASSERT_TRUE(sampler.ok()) << sampler.status();
  int whole = 0;
  std::set<int64_t> sides;
  for (int64_t step = 0; step < 200; ++step) {
    const int64_t side = sampler->Draw(step, 0).side;
    sides.insert(side);
    if (side % kPatch == 0) ++whole;
  }
  EXPECT_NEAR(whole, 100, 30);
  EXPECT_GT(sides.size(), 10u);
}

TEST_F(LatentCacheTest, WithoutATeacherScalesEndWithThePhotograph) {
  Write(1);
  const auto cache = *LatentCache::Open(path_);
  const auto sampler =
      CachedSampler::Create(cache, {.batch = 1, .queries = 9, .teacher_weight = 0, .margin = 2});
  ASSERT_TRUE(sampler.ok()) << sampler.status();
  for (int64_t step = 0; step < 30; ++step) EXPECT_LE(sampler->Draw(step, 0).side, 2 * kPatch);
}

TEST_F(LatentCacheTest, WithoutATeacherTheSmallestScaleIsOneThatEveryPhotographHas) {
  Write(1);
  {
    const auto writer = LatentCacheWriter::Open(path_, Settings());
    Parts parts(1);
    CacheRecord record = parts.Record();
    record.original_side = kPatch + 4;
    const std::vector<uint8_t> original = Bytes(kPatch + 4, 3);
    record.original = original;
    ASSERT_TRUE((*writer)->Append(record).ok());
    record.kind = CacheRecord::kPixelPattern;  // enlarged to anything
    record.original_side = 0;
    record.original = {};
    record.outputs = {};
    ASSERT_TRUE((*writer)->Append(record).ok());
  }
  const auto cache = *LatentCache::Open(path_);
  CachedSamplerOptions options{
      .batch = 3, .queries = 9, .min_scale = 1.5, .max_scale = 3, .teacher_weight = 0, .margin = 2};
  const absl::Status status = CachedSampler::Create(cache, options).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("record 1 of"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("original of 20 pixels"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("up to 1.25"));
  options.teacher_weight = 0.5;
  EXPECT_TRUE(CachedSampler::Create(cache, options).ok());
  options.teacher_weight = 0;
  options.min_scale = 1.25;
  const auto sampler = CachedSampler::Create(cache, options);
  ASSERT_TRUE(sampler.ok()) << sampler.status();
  for (int64_t item = 0; item < 30; ++item) EXPECT_GE(sampler->Draw(item / 3, item % 3).side, 20);
}

TEST_F(LatentCacheTest, SamplerRefusesOptionsThatDoNotFit) {
  Write(1);
  const auto cache = *LatentCache::Open(path_);
  EXPECT_FALSE(CachedSampler::Create(cache, {.queries = 145, .margin = 2}).ok());
  EXPECT_FALSE(CachedSampler::Create(cache, {.queries = 1, .margin = 8}).ok());
  EXPECT_FALSE(CachedSampler::Create(cache, {.queries = 9, .max_scale = 5, .margin = 2}).ok());
  EXPECT_TRUE(CachedSampler::Create(cache, {.queries = 9, .max_scale = 3, .margin = 2}).ok());
  // No teacher for what is above 3.
  EXPECT_FALSE(CachedSampler::Create(cache, {.queries = 9, .max_scale = 4, .margin = 2}).ok());
  // Whole scales: a part, of which there is one, of a teacher that is asked.
  CachedSamplerOptions whole{.queries = 9, .max_scale = 3, .margin = 2, .whole_scales = 1};
  EXPECT_TRUE(CachedSampler::Create(cache, whole).ok());
  for (const double part : {-0.1, 1.1, std::nan("")}) {
    whole.whole_scales = part;
    EXPECT_FALSE(CachedSampler::Create(cache, whole).ok()) << part;
  }
  whole.whole_scales = 0.5;
  for (const double part : {-0.1, 1.1, std::nan("")}) {
    whole.recolour = part;
    EXPECT_THAT(std::string(CachedSampler::Create(cache, whole).status().message()),
                HasSubstr("recolour must lie in [0,1]"));
  }
  whole.recolour = 0;
  whole.min_scale = 2.25;
  whole.max_scale = 2.75;
  EXPECT_THAT(std::string(CachedSampler::Create(cache, whole).status().message()),
              HasSubstr("no teacher of this cache"));
  whole.max_scale = 3;
  whole.teacher_weight = 0;
  EXPECT_FALSE(CachedSampler::Create(cache, whole).ok());
}

double Mean(const RgbImage& image) {
  return std::accumulate(image.samples.begin(), image.samples.end(), 0.0) /
         static_cast<double>(image.samples.size());
}

// What a pattern is to be enlarged to keeps its mean and its levels, and grey.
TEST(Patterns, EnlargedKeepMeanLevelsAndGrey) {
  int pixels = 0;
  int grey = 0;
  for (int i = 0; i < 200; ++i) {
    Random random(3, i, 0);
    const Pattern pattern = DrawPattern(32, random);
    pixels += pattern.detail.samples.empty();
    const auto [low, high] =
        std::minmax_element(pattern.patch.samples.begin(), pattern.patch.samples.end());
    bool is_grey = true;
    for (size_t k = 0; k < pattern.patch.samples.size(); k += 3) {
      is_grey = is_grey && pattern.patch.samples[k] == pattern.patch.samples[k + 1] &&
                pattern.patch.samples[k] == pattern.patch.samples[k + 2];
    }
    grey += is_grey;
    for (const int64_t size : {32, 40, 64, 100}) {
      const RgbImage enlarged = EnlargedPattern(pattern, size);
      EXPECT_NEAR(Mean(enlarged), Mean(pattern.patch), 2.5) << i << " " << size;
      if (pattern.detail.samples.empty()) {
        EXPECT_GE(*std::min_element(enlarged.samples.begin(), enlarged.samples.end()), *low);
        EXPECT_LE(*std::max_element(enlarged.samples.begin(), enlarged.samples.end()), *high);
      }
      for (size_t k = 0; is_grey && k < enlarged.samples.size(); k += 3) {
        ASSERT_EQ(enlarged.samples[k], enlarged.samples[k + 1]);
      }
    }
  }
  EXPECT_NEAR(pixels, 120, 30);
  EXPECT_NEAR(grey, 150, 30);
}

}  // namespace
}  // namespace hiif::train
