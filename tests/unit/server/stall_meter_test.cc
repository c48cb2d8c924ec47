#include "server/fronts/stall_meter.h"

#include <gtest/gtest.h>

namespace hiif::server {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

// Whether it is ever found stalled in 20 s of so many bytes a second.
bool StallsAt(int64_t bytes_per_second, int64_t unsent) {
  StallMeter meter(kStart);
  Traffic traffic;
  traffic.unsent_bytes = unsent;
  for (int second = 1; second <= 20; ++second) {
    traffic.taken_bytes += bytes_per_second;
    if (meter.Stalled(traffic, kStart + absl::Seconds(second))) return true;
  }
  return false;
}

TEST(StallMeter, WhoTakesNothingIsFoundAndWhoIsSlowIsNot) {
  EXPECT_TRUE(StallsAt(0, 1));
  EXPECT_TRUE(StallsAt(1000, 1)) << "some bytes now and then are nothing";
  EXPECT_FALSE(StallsAt(16 << 10, 1));
  EXPECT_FALSE(StallsAt(0, 0)) << "nothing waits for it";
}

TEST(StallMeter, AShortPauseIsNone) {
  StallMeter meter(kStart);
  Traffic traffic;
  traffic.unsent_bytes = 1;
  EXPECT_FALSE(meter.Stalled(traffic, kStart + absl::Seconds(3)));
  traffic.taken_bytes = StallMeter::kLeastBytes;
  EXPECT_FALSE(meter.Stalled(traffic, kStart + absl::Seconds(5)));
  EXPECT_FALSE(meter.Stalled(traffic, kStart + absl::Seconds(8)));
  EXPECT_TRUE(meter.Stalled(traffic, kStart + absl::Seconds(9)));
}

}  // namespace
}  // namespace hiif::server
