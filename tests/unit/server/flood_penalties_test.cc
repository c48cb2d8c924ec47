#include "server/fronts/flood_penalties.h"

#include <gtest/gtest.h>

namespace hiif::server {
namespace {

using Answer = FloodPenalties::Answer;

TEST(FloodPenalties, LocksOutForLongerEachTime) {
  FloodPenalties penalties;
  absl::Time now = absl::UnixEpoch();
  EXPECT_EQ(penalties.Ask("192.0.2.7", now), Answer::kTake);
  for (const int seconds : {1, 2, 4, 8, 16, 32, 60, 60}) {
    penalties.Punish("192.0.2.7", false, now);
    penalties.Punish("192.0.2.7", false, now);  // of the same flood
    EXPECT_EQ(penalties.Ask("192.0.2.7", now + absl::Seconds(seconds) - absl::Milliseconds(1)),
              Answer::kRefuse);
    now += absl::Seconds(seconds);
    EXPECT_EQ(penalties.Ask("192.0.2.7", now), Answer::kTake);
    EXPECT_EQ(penalties.Ask("192.0.2.8", now), Answer::kTake) << "another address";
  }
}

TEST(FloodPenalties, ProbationTakesFew) {
  FloodPenalties penalties;
  const absl::Time now = absl::UnixEpoch();
  penalties.Punish("127.0.0.1", true, now);
  EXPECT_TRUE(penalties.OnProbation("127.0.0.1", now));
  EXPECT_EQ(penalties.Ask("127.0.0.1", now), Answer::kTake) << "never locked out of itself";
  EXPECT_EQ(penalties.Ask("127.0.0.1", now + absl::Milliseconds(20)), Answer::kWait);
  EXPECT_EQ(penalties.Ask("127.0.0.1", now + absl::Milliseconds(110)), Answer::kTake);
  const absl::Time later = now + absl::Seconds(3);
  EXPECT_FALSE(penalties.OnProbation("127.0.0.1", later));
  EXPECT_EQ(penalties.Ask("127.0.0.1", later), Answer::kTake);
  EXPECT_EQ(penalties.Ask("127.0.0.1", later), Answer::kTake);
}

TEST(FloodPenalties, IsBoundedAndForgets) {
  FloodPenalties penalties;
  const absl::Time now = absl::UnixEpoch();
  for (int i = 0; i < 20000; ++i) penalties.Punish(std::to_string(i), false, now);
  EXPECT_LE(penalties.size(), 10000);
  penalties.Sweep(now + absl::Hours(1));
  EXPECT_EQ(penalties.size(), 0);
}

}  // namespace
}  // namespace hiif::server
