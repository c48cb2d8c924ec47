// Pieces of several requests in one call of the device.
#include "server/core/device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "server/errors/errors.h"
#include "tests/testing/work_fixture.h"

namespace hiif::server {
namespace {

using hiif::testing::FakeCall;

class DeviceTest : public hiif::testing::WorkFixture {
 protected:
  // Two requests of one tile each, a piece of each of which is to run in one call.
  void Begin() {
    Start({.workers = 0, .batch_coordinates = 1 << 20});
    for (int i = 0; i < 2; ++i) {
      works_.push_back(Work(16, 16, i == 0 ? "a" : "b"));
      ASSERT_TRUE(Submit(works_[i], call_).ok());
    }
    // Everything before the tiles.
    while (script_.contexts < 2) ASSERT_TRUE(scheduler_->Step());
  }
  void TearDown() override {
    for (const auto& work : works_) work->Cancel(absl::CancelledError("done"));
  }

  FakeCall call_;
  std::vector<std::shared_ptr<UpscaleWork>> works_;
};

TEST_F(DeviceTest, TilesOfTwoRequestsShareACall) {
  Begin();
  std::vector<size_t> sizes;
  script_.on_render = [&](absl::Span<const RenderTile> tiles) {
    sizes.push_back(tiles.size());
    return absl::OkStatus();
  };
  while (scheduler_->Step()) {
  }
  EXPECT_EQ(sizes, std::vector<size_t>{2});
  for (const auto& work : works_) {
    const auto tile = work->TakeTile(0, call_);
    ASSERT_TRUE(tile.ok()) << tile.status();
    EXPECT_TRUE(Right(0, *tile));
  }
}

TEST_F(DeviceTest, OnlyTheGuiltyOneFails) {
  Begin();
  const Features* guilty = nullptr;
  script_.on_render = [&](absl::Span<const RenderTile> tiles) {
    if (guilty == nullptr) guilty = tiles[0].features;
    const bool bad = std::any_of(tiles.begin(), tiles.end(),
                                 [&](const RenderTile& tile) { return tile.features == guilty; });
    return bad ? absl::InternalError("not finite") : absl::OkStatus();
  };
  while (scheduler_->Step()) {
  }
  int failed = 0;
  for (const auto& work : works_) {
    const auto tile = work->TakeTile(0, call_);
    failed += !tile.ok();
    if (tile.ok()) {
      EXPECT_TRUE(Right(0, *tile));
    }
  }
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(lost_, 0);
}

TEST_F(DeviceTest, WhatIsTooLargeForTheDeviceIsTriedInHalves) {
  Begin();
  script_.on_render = [&](absl::Span<const RenderTile> tiles) {
    int64_t pixels = 0;
    for (const RenderTile& tile : tiles) pixels += tile.region.pixels();
    return pixels > 32 * 16 ? absl::ResourceExhaustedError("no memory") : absl::OkStatus();
  };
  while (scheduler_->Step()) {
  }
  for (const auto& work : works_) {
    const auto tile = work->TakeTile(0, call_);
    ASSERT_TRUE(tile.ok()) << tile.status();
    EXPECT_TRUE(Right(0, *tile));
  }
}

TEST_F(DeviceTest, WithoutMemoryForAHalfItIsTheRequestThatFails) {
  Begin();
  script_.on_render = [&](absl::Span<const RenderTile>) {
    return absl::ResourceExhaustedError("no memory");
  };
  while (scheduler_->Step()) {
  }
  for (const auto& work : works_) {
    const absl::Status status = work->TakeTile(0, call_).status();
    EXPECT_TRUE(absl::IsResourceExhausted(status));
    EXPECT_EQ(ReasonOf(status), kReasonMemory);
  }
}

TEST_F(DeviceTest, ALostDeviceIsTold) {
  Begin();
  script_.on_render = [&](absl::Span<const RenderTile>) {
    return absl::UnavailableError("the device is gone");
  };
  while (scheduler_->Step()) {
  }
  EXPECT_GE(lost_, 1);
  EXPECT_EQ(ReasonOf(works_[0]->TakeTile(0, call_).status()), kReasonDeviceLost);
}

TEST_F(DeviceTest, WhatIsUnavailableForAnotherReasonIsNotTheDevice) {
  Begin();
  script_.on_render = [&](absl::Span<const RenderTile>) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, kReasonNoDecoder, "no process");
  };
  while (scheduler_->Step()) {
  }
  EXPECT_EQ(lost_, 0);
  EXPECT_EQ(ReasonOf(works_[0]->TakeTile(0, call_).status()), kReasonNoDecoder);
}

}  // namespace
}  // namespace hiif::server
