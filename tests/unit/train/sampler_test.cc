#include "train/sampler.h"
#include "train/augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "base/bicubic.h"
#include "train/loader.h"
#include "train/random.h"
#include "train/recolour.h"

namespace hiif::train {
namespace {

using ::testing::HasSubstr;

// Images whose pixels say where they are: red is the row, green the column, blue the image.
std::shared_ptr<const PackedDataset> Positions(int images, int64_t height, int64_t width) {
  const std::string path = ::testing::TempDir() + "/sampler_test.pack";
  auto writer = PackedDatasetWriter::Create(path).value();
  for (int i = 0; i < images; ++i) {
    RgbImage image{SampleType::kU8, height, width, {}};
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        image.samples.insert(image.samples.end(), {static_cast<uint8_t>(y), static_cast<uint8_t>(x),
                                                   static_cast<uint8_t>(i)});
      }
    }
    EXPECT_TRUE(writer->Add(std::to_string(i), image).ok());
  }
  EXPECT_TRUE(writer->Commit().ok());
  return PackedDataset::Open(path).value();
}

SamplerOptions Small() {
  SamplerOptions options;
  options.batch = 4;
  options.patch = 12;
  options.queries = 100;
  return options;
}

bool operator==(const Sample& a, const Sample& b) {
  return a.side == b.side && a.patch == b.patch && a.rows == b.rows && a.columns == b.columns &&
         a.colours == b.colours;
}

TEST(RandomTest, AStreamDependsOnSeedStepAndItem) {
  EXPECT_EQ(Random(1, 2, 3).Next(), Random(1, 2, 3).Next());
  const std::set<uint64_t> first = {Random(1, 2, 3).Next(), Random(2, 2, 3).Next(),
                                    Random(1, 3, 3).Next(), Random(1, 2, 4).Next(),
                                    Random(3, 2, 1).Next(), Random(1, 3, 2).Next()};
  EXPECT_EQ(first.size(), 6);
}

TEST(RandomTest, MomentsAreThoseOfTheDistributions) {
  Random random(5, 0, 0);
  double sum = 0, normal = 0, squares = 0;
  std::vector<int> counts(7);
  constexpr int kDraws = 200'000;
  for (int i = 0; i < kDraws; ++i) {
    sum += random.Uniform(1.0, 4.0);
    const double n = random.Normal();
    normal += n;
    squares += n * n;
    ++counts[random.Below(7)];
  }
  EXPECT_NEAR(sum / kDraws, 2.5, 0.01);
  EXPECT_NEAR(normal / kDraws, 0.0, 0.01);
  EXPECT_NEAR(squares / kDraws, 1.0, 0.02);
  for (int count : counts) EXPECT_NEAR(count, kDraws / 7.0, 600);
}

TEST(RandomTest, ShuffledIsAPermutationThatItsKeyNames) {
  for (uint64_t n : {1, 2, 5, 64, 400}) {
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t place = Shuffled(i, n, 9);
      EXPECT_LT(place, n);
      seen.insert(place);
    }
    EXPECT_EQ(seen.size(), n);
  }
  int same = 0;
  for (uint64_t i = 0; i < 400; ++i) same += Shuffled(i, 400, 9) == Shuffled(i, 400, 10);
  EXPECT_LT(same, 10);
}

TEST(SamplerTest, ColoursAreThoseOfTheQueriesAndThePatchIsTheCropResized) {
  const auto dataset = Positions(3, 60, 80);
  const Sampler sampler = Sampler::Create(dataset, Small()).value();
  for (int64_t step = 0; step < 50; ++step) {
    const Sample sample = sampler.Draw(step, 1);
    ASSERT_GE(sample.side, 12);
    ASSERT_LE(sample.side, 48);
    // Red and green are affine in row and column, up to flips and transposition, so two queries
    // tell where the crop lay and how it was turned.
    std::set<std::pair<int, int>> queries;
    std::map<std::pair<int, int>, std::pair<int, int>> source;
    for (int q = 0; q < 100; ++q) {
      const std::pair<int, int> at = {sample.rows[q], sample.columns[q]};
      ASSERT_GE(std::min(at.first, at.second), 0);
      ASSERT_LT(std::max(at.first, at.second), sample.side);
      queries.insert(at);
      source[at] = {sample.colours[q * 3], sample.colours[q * 3 + 1]};
      ASSERT_EQ(sample.colours[q * 3 + 2], sample.colours[2]);
    }
    EXPECT_EQ(queries.size(), 100) << "queries must be drawn without replacement";
    bool explained = false;
    for (int turn = 0; turn < 8 && !explained; ++turn) {
      const Augmentation augmentation{(turn & 1) != 0, (turn & 2) != 0, (turn & 4) != 0};
      // Where would the crop start, if it was turned so?
      const RgbImage crop = CropSquare(dataset->images()[0], 0, 0, sample.side, augmentation);
      const auto& [at, value] = *source.begin();
      const uint8_t* there = &crop.samples[(at.first * sample.side + at.second) * 3];
      const int row = value.first - there[0];
      const int column = value.second - there[1];
      if (row < 0 || column < 0 || row + sample.side > 60 || column + sample.side > 80) continue;
      const PackedImage& image = dataset->images()[sample.colours[2]];
      const RgbImage candidate = CropSquare(image, row, column, sample.side, augmentation);
      explained = true;
      for (const auto& [place, pixel] : source) {
        const uint8_t* have = &candidate.samples[(place.first * sample.side + place.second) * 3];
        explained = explained && have[0] == pixel.first && have[1] == pixel.second;
      }
      explained = explained && ResizeBicubic(candidate, {12, 12}).samples == sample.patch;
    }
    EXPECT_TRUE(explained) << "step " << step;
  }
}

TEST(SamplerTest, EveryImageIsSeenOncePerRoundInAnOrderThatChanges) {
  SamplerOptions options = Small();
  options.batch = 1;
  const auto dataset = Positions(10, 50, 50);
  const Sampler sampler = Sampler::Create(dataset, options).value();
  std::set<std::vector<int>> orders;
  for (int round = 0; round < 5; ++round) {
    std::vector<int> order;
    for (int i = 0; i < 10; ++i) order.push_back(sampler.Draw(round * 10 + i, 0).colours[2]);
    EXPECT_EQ(std::set<int>(order.begin(), order.end()).size(), 10);
    orders.insert(order);
  }
  EXPECT_GE(orders.size(), 4);
}

TEST(SamplerTest, ScalesAreUniform) {
  const auto dataset = Positions(1, 60, 60);
  const Sampler sampler = Sampler::Create(dataset, Small()).value();
  double sum = 0;
  for (int64_t step = 0; step < 2000; ++step) sum += sampler.Draw(step, 0).side / 12.0;
  EXPECT_NEAR(sum / 2000, 2.5, 0.08);
}

TEST(SamplerTest, SmallImagesAreUsedAtTheScalesTheyHavePixelsFor) {
  const Sampler sampler = Sampler::Create(Positions(1, 20, 90), Small()).value();
  for (int64_t step = 0; step < 100; ++step) EXPECT_LE(sampler.Draw(step, 0).side, 20);
}

TEST(SamplerTest, RefusesWhatCannotBeSampled) {
  const auto message = [](int64_t side, SamplerOptions options) {
    const auto sampler = Sampler::Create(Positions(1, side, side), options);
    EXPECT_EQ(sampler.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(sampler.status().message());
  };
  EXPECT_THAT(message(11, Small()), HasSubstr("--min-side 12"));
  SamplerOptions options = Small();
  options.queries = 145;
  EXPECT_THAT(message(60, options), HasSubstr("[1, 144]"));
  options = Small();
  options.min_scale = 0.5;
  EXPECT_THAT(message(60, options), HasSubstr("1 <= min_scale"));
  options = Small();
  options.batch = 0;
  EXPECT_THAT(message(60, options), HasSubstr("batch"));
  options = Small();
  for (const double part : {-0.1, 1.1, std::nan("")}) {
    options.recolour = part;
    EXPECT_THAT(message(60, options), HasSubstr("recolour must lie in [0,1]"));
  }
}

TEST(SamplerTest, OtherColoursChangeNeitherPlacesNorWhatIsWantedOfThePatch) {
  const auto dataset = Positions(3, 60, 80);
  SamplerOptions options = Small();
  const Sampler plain = Sampler::Create(dataset, options).value();
  options.recolour = 1;
  const Sampler recoloured = Sampler::Create(dataset, options).value();
  int changed = 0;
  for (int64_t step = 0; step < 20; ++step) {
    const Sample a = plain.Draw(step, 1);
    Sample b = recoloured.Draw(step, 1);
    EXPECT_TRUE(b == recoloured.Draw(step, 1));
    changed += a.patch != b.patch;
    EXPECT_EQ(a.rows, b.rows);
    EXPECT_EQ(a.columns, b.columns);
    // Some recolouring of the one is the other, the same for the patch and for its colours.
    int explained = 0;
    for (const bool negative : {false, true}) {
      std::array<uint8_t, 3> order = {0, 1, 2};
      do {
        Sample candidate = a;
        Recolour({order, negative}, candidate);
        explained += candidate == b;
      } while (std::next_permutation(order.begin(), order.end()));
    }
    EXPECT_EQ(explained, 1) << "step " << step;
  }
  EXPECT_GT(changed, 10);
}

TEST(SamplerTest, DegradationTouchesThePatchAlone) {
  const auto dataset = Positions(3, 60, 80);
  SamplerOptions options = Small();
  const Sampler clean = Sampler::Create(dataset, options).value();
  options.degrade = true;
  const Sampler damaged = Sampler::Create(dataset, options).value();
  for (int64_t step = 0; step < 5; ++step) {
    Sample a = clean.Draw(step, 1);
    const Sample b = damaged.Draw(step, 1);
    EXPECT_NE(a.patch, b.patch);
    EXPECT_TRUE(b == damaged.Draw(step, 1));
    a.patch = b.patch;
    EXPECT_TRUE(a == b);
  }
}

TEST(LoaderTest, BatchesDependNeitherOnThreadsNorOnWhereTheRunBegan) {
  const Sampler sampler = Sampler::Create(Positions(5, 60, 80), Small()).value();
  const auto make = [&](int64_t step) {
    std::vector<Sample> batch;
    for (int item = 0; item < 4; ++item) batch.push_back(sampler.Draw(step, item));
    return batch;
  };
  Loader<std::vector<Sample>> one(make, 0, {.threads = 1, .ahead = 1});
  Loader<std::vector<Sample>> three(make, 0, {.threads = 3, .ahead = 7});
  std::vector<Sample> last;
  for (int64_t step = 0; step < 20; ++step) {
    last = one.Next();
    const std::vector<Sample> other = three.Next();
    ASSERT_EQ(last.size(), 4);
    for (int item = 0; item < 4; ++item) {
      ASSERT_TRUE(last[item] == other[item]);
      ASSERT_TRUE(last[item] == sampler.Draw(step, item));
    }
  }
  Loader<std::vector<Sample>> resumed(make, 19, {.threads = 2, .ahead = 2});
  EXPECT_TRUE(resumed.Next()[3] == last[3]);
}

TEST(LoaderTest, WhatAStepThrowsIsThrownToIt) {
  Loader<int64_t> loader(
      [](int64_t step) {
        if (step == 2) throw std::runtime_error("no memory");
        return step;
      },
      0, {.threads = 2, .ahead = 4});
  EXPECT_EQ(loader.Next(), 0);
  EXPECT_EQ(loader.Next(), 1);
  EXPECT_THROW(loader.Next(), std::runtime_error);
  EXPECT_EQ(loader.Next(), 3);
}

}  // namespace
}  // namespace hiif::train
