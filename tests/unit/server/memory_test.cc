#include "server/memory.h"

#include <gtest/gtest.h>

namespace hiif::server {
namespace {

constexpr int64_t kMiB = 1 << 20;
const absl::Time kStart = absl::FromUnixSeconds(1000);

TEST(MemoryKeeper, AnIdleServerGivesFreePagesBack) {
  MemoryKeeper keeper(1000 * kMiB);
  EXPECT_FALSE(keeper.Due(kStart, false, 500 * kMiB, 1 * kMiB)) << "not worth the faults";
  EXPECT_FALSE(keeper.Due(kStart + absl::Milliseconds(100), false, 500 * kMiB, 300 * kMiB));
  EXPECT_TRUE(keeper.Due(kStart + absl::Seconds(1), false, 500 * kMiB, 300 * kMiB));
}

TEST(MemoryKeeper, ABusyOneKeepsThemBelowItsLimit) {
  MemoryKeeper keeper(1000 * kMiB);
  EXPECT_FALSE(keeper.Due(kStart, true, 900 * kMiB, 300 * kMiB));
  EXPECT_TRUE(keeper.Due(kStart + absl::Seconds(1), true, 1100 * kMiB, 300 * kMiB));
}

}  // namespace
}  // namespace hiif::server
