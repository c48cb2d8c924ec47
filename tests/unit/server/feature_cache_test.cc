#include "server/core/feature_cache.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

#include "tests/testing/fake_upscaler.h"

namespace hiif::server {
namespace {

using hiif::testing::FakeContext;
using hiif::testing::FakeFeatures;

constexpr int64_t kMiB = 1 << 20;

std::shared_ptr<const Features> OfSize(int64_t bytes) {
  auto features = std::make_shared<FakeFeatures>();
  features->size = bytes;
  return features;
}

FeatureCache::Key Key(const std::string& image, int64_t serial = 1) {
  return {"m", serial, image, false, false};
}

TEST(FeatureCache, DropsTheLeastRecentlyUsed) {
  FeatureCache cache(3 * kMiB);
  for (const char* image : {"a", "b"}) cache.InsertFeatures(Key(image), OfSize(kMiB));
  EXPECT_NE(cache.FindFeatures(Key("a")), nullptr);
  cache.InsertFeatures(Key("c"), OfSize(kMiB));
  EXPECT_EQ(cache.FindFeatures(Key("b")), nullptr);
  EXPECT_NE(cache.FindFeatures(Key("a")), nullptr);
  EXPECT_NE(cache.FindFeatures(Key("c")), nullptr);
  EXPECT_LE(cache.bytes(), 3 * kMiB);
  EXPECT_EQ(cache.bytes(), cache.ModelBytes("m"));
}

TEST(FeatureCache, KeysTellUpscalersAndImagesApart) {
  FeatureCache cache(kMiB);
  cache.InsertFeatures(Key("a"), OfSize(10));
  FeatureCache::Key other = Key("a");
  other.use.self_ensemble = true;
  EXPECT_EQ(cache.FindFeatures(other), nullptr);
  other = Key("a");
  other.converted = true;
  EXPECT_EQ(cache.FindFeatures(other), nullptr);
  EXPECT_EQ(cache.FindFeatures(Key("a", 2)), nullptr);
  auto context = std::make_shared<FakeContext>();
  context->size = {4, 6};
  cache.InsertContext(Key("a"), context);
  EXPECT_EQ(cache.FindContext(Key("a"), {4, 6}), context);
  EXPECT_EQ(cache.FindContext(Key("a"), {6, 4}), nullptr);
}

// Whoever moves the strength of a picture to and fro pays the encoder once.
TEST(FeatureCache, StrengthsShareFeaturesAndNotContexts) {
  FeatureCache cache(kMiB);
  const auto key = [](double strength) {
    FeatureCache::Key key = Key("a");
    key.use.strength = strength;
    return key;
  };
  const auto features = OfSize(10);
  cache.InsertFeatures(key(0.25), features);
  EXPECT_EQ(cache.FindFeatures(key(0.5)), features);
  EXPECT_EQ(cache.FindFeatures(key(0)), nullptr);  // the faithful network alone
  EXPECT_EQ(cache.FindFeatures(key(1)), nullptr);  // the sharp one
  auto context = std::make_shared<FakeContext>();
  context->size = {4, 6};
  cache.InsertContext(key(0.25), context);
  EXPECT_EQ(cache.FindContext(key(0.25), {4, 6}), context);
  EXPECT_EQ(cache.FindContext(key(0.5), {4, 6}), nullptr);
  // Pixels are those of the request, not of one before it that asked for nearly the same.
  EXPECT_EQ(cache.FindContext(key(std::nextafter(0.25, 1.0)), {4, 6}), nullptr);
}

// Defect: what was dropped while a request held it counted as 0.
TEST(FeatureCache, WhatARequestHoldsStaysAndCounts) {
  FeatureCache cache(2 * kMiB);
  cache.InsertFeatures(Key("a"), OfSize(3 * kMiB / 2));
  auto held = cache.FindFeatures(Key("a"));
  cache.InsertFeatures(Key("b"), OfSize(kMiB));
  EXPECT_EQ(cache.FindFeatures(Key("b")), nullptr);  // nothing could be dropped for it
  EXPECT_NE(cache.FindFeatures(Key("a")), nullptr);
  EXPECT_GE(cache.bytes(), 3 * kMiB / 2);
  held.reset();
  cache.InsertFeatures(Key("b"), OfSize(kMiB));
  EXPECT_NE(cache.FindFeatures(Key("b")), nullptr);
  EXPECT_EQ(cache.FindFeatures(Key("a")), nullptr);
}

TEST(FeatureCache, AReloadedModelLosesItsEntriesOnceNobodyHoldsThem) {
  FeatureCache cache(4 * kMiB);
  cache.InsertFeatures(Key("a", 1), OfSize(kMiB));
  cache.InsertFeatures(Key("b", 1), OfSize(kMiB));
  auto held = cache.FindFeatures(Key("a", 1));
  cache.DropModel("m", 2);
  EXPECT_EQ(cache.FindFeatures(Key("b", 1)), nullptr);
  EXPECT_GE(cache.bytes(), kMiB);
  held.reset();
  cache.InsertFeatures(Key("c", 2), OfSize(kMiB));
  EXPECT_EQ(cache.FindFeatures(Key("a", 1)), nullptr);
  EXPECT_NE(cache.FindFeatures(Key("c", 2)), nullptr);
  EXPECT_LT(cache.bytes(), 2 * kMiB);
}

TEST(FeatureCache, DropsWhatNobodyHoldsWhereMemoryIsShort) {
  FeatureCache cache(8 * kMiB);
  for (const char* image : {"a", "b", "c"}) cache.InsertFeatures(Key(image), OfSize(kMiB));
  const auto held = cache.FindFeatures(Key("b"));
  EXPECT_GE(cache.DropUnheld(), 2 * kMiB);
  EXPECT_EQ(cache.FindFeatures(Key("a")), nullptr);
  EXPECT_EQ(cache.FindFeatures(Key("b")), held);
  EXPECT_EQ(cache.DropUnheld(), 0);
  EXPECT_EQ(cache.bytes(), cache.ModelBytes("m"));
}

TEST(FeatureCache, KeepsNothingWithoutRoom) {
  FeatureCache cache(0);
  cache.InsertFeatures(Key("a"), OfSize(1));
  EXPECT_EQ(cache.FindFeatures(Key("a")), nullptr);
  EXPECT_EQ(cache.bytes(), 0);
}

TEST(FeatureCache, ManyThreads) {
  FeatureCache cache(8 * kMiB);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 300; ++i) {
        const FeatureCache::Key key = Key(std::to_string((i * 7 + t) % 20), 1 + i / 150);
        auto found = cache.FindFeatures(key);
        if (found == nullptr) cache.InsertFeatures(key, OfSize(kMiB));
        if (i % 50 == 0) cache.DropModel("m", 1 + i / 150);
        EXPECT_LE(cache.bytes(), 8 * kMiB);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  cache.DropModel("m", 0);
  EXPECT_EQ(cache.bytes(), 0);
  EXPECT_EQ(cache.ModelBytes("m"), 0);
}

}  // namespace
}  // namespace hiif::server
