#include "server/fronts/flood_meter.h"

#include <gtest/gtest.h>

namespace hiif::server {
namespace {

constexpr FloodLimits kLimits = {.max_streams = 100, .max_message_bytes = 1 << 20};

class FloodMeterTest : public ::testing::Test {
 protected:
  // The next look, after `seconds`.
  bool Look(double seconds) {
    now_ += absl::Seconds(seconds);
    return meter_.Floods(traffic_, kLimits, now_);
  }
  absl::Time now_ = absl::UnixEpoch();
  FloodMeter meter_{now_};
  Traffic traffic_;
};

TEST_F(FloodMeterTest, CallsThatAreAnsweredAreNone) {
  for (int i = 0; i < 100; ++i) {
    traffic_.streams += 1000;
    traffic_.succeeded += 1000;
    traffic_.messages += 1000;
    traffic_.received_bytes += 1'000'000;
    traffic_.sent_bytes += 100'000;
    EXPECT_FALSE(Look(0.05));
  }
}

TEST_F(FloodMeterTest, RapidResetsAre) {
  traffic_.streams = 300;  // a hundred of them may be open
  EXPECT_FALSE(Look(0.05));
  traffic_.streams = 400;
  EXPECT_TRUE(Look(0.05));
}

TEST_F(FloodMeterTest, StreamsThatAreNotOverYetAreNotGivenUp) {
  for (int i = 0; i < 100; ++i) {
    traffic_.streams += 1000;
    traffic_.succeeded = traffic_.streams - 100;
    EXPECT_FALSE(Look(0.05));
  }
}

TEST_F(FloodMeterTest, GivingUpNowAndThenIsAllowed) {
  for (int i = 0; i < 10000; ++i) {
    traffic_.streams += 9;
    traffic_.failed += 9;
    EXPECT_FALSE(Look(0.1));
  }
  traffic_.streams += 1000;
  EXPECT_TRUE(Look(0.1));
}

TEST_F(FloodMeterTest, PingsWithoutAStreamAre) {
  traffic_.received_bytes = 4 << 20;
  EXPECT_FALSE(Look(0.05));
  traffic_.received_bytes += 100'000;
  EXPECT_TRUE(Look(0.05));
}

TEST_F(FloodMeterTest, KeepingAConnectionOpenIsNone) {
  for (int day = 0; day < 10; ++day) {
    traffic_.received_bytes += 17 * 8640;
    EXPECT_FALSE(Look(86400));
  }
}

TEST_F(FloodMeterTest, UnfinishedMessagesAreNoneUpToTheirSize) {
  traffic_.streams = 8;
  traffic_.received_bytes = 8 * (1 << 20);
  EXPECT_FALSE(Look(0.05));
  traffic_.received_bytes += 5 << 20;
  EXPECT_TRUE(Look(0.05));
}

// Headers need no window; of a message no more comes than the server has let in.
TEST_F(FloodMeterTest, MoreThanAWindowWithoutAnAnswerIs) {
  FloodMeter meter(now_);
  const FloodLimits limits = {.max_streams = 100, .max_message_bytes = 32 << 20};
  traffic_.streams = 100;
  for (int i = 0; i < 27; ++i) {
    traffic_.received_bytes += 1 << 20;
    EXPECT_FALSE(meter.Floods(traffic_, limits, now_));
  }
  traffic_.sent_bytes += 13;
  for (int i = 0; i < 29; ++i) {
    traffic_.received_bytes += 1 << 20;
    EXPECT_FALSE(meter.Floods(traffic_, limits, now_));
  }
  traffic_.received_bytes += 1 << 20;
  EXPECT_TRUE(meter.Floods(traffic_, limits, now_));
}

TEST_F(FloodMeterTest, AnUploadInMessagesIsNone) {
  traffic_.streams = 1;
  for (int i = 0; i < 1000; ++i) {
    traffic_.received_bytes += 10 << 20;
    traffic_.messages += 10;
    traffic_.sent_bytes += 10 * 13;  // window updates
    EXPECT_FALSE(Look(0.05));
  }
}

TEST_F(FloodMeterTest, WindowUpdatesOfALargeAnswerAreNone) {
  traffic_.streams = 1;
  for (int i = 0; i < 1000; ++i) {
    traffic_.sent_bytes += 100 << 20;
    traffic_.received_bytes += 1 << 20;
    EXPECT_FALSE(Look(0.1));
  }
}

}  // namespace
}  // namespace hiif::server
