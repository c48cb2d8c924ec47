#include "base/steady_flag.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/steady_now.h"

namespace hiif {
namespace {

TEST(SteadyFlag, WaitsUntilItIsRaisedOrTheTimeIsOver) {
  SteadyFlag flag;
  const absl::Time begin = SteadyNow();
  EXPECT_FALSE(flag.WaitFor(absl::Milliseconds(20)));
  EXPECT_GE(SteadyNow() - begin, absl::Milliseconds(20));
  std::thread other([&] { flag.Raise(); });
  EXPECT_TRUE(flag.WaitFor(absl::Minutes(10)));
  other.join();
  EXPECT_TRUE(flag.WaitFor(absl::ZeroDuration()));
}

}  // namespace
}  // namespace hiif
