#include "server/logging/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/logging/line_budget.h"

namespace hiif::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

TEST(FormatLog, CutsWhatClientsSent) {
  std::string name;
  for (int i = 0; i < 1'000'000; ++i) name += "\xc3\xbc";
  for (const bool json : {true, false}) {
    const std::string line = FormatLog(json, LogLevel::kInfo, "call", {{"model", name}});
    EXPECT_LT(line.size(), 2100u) << json;
    EXPECT_THAT(line, HasSubstr("\xc3\xbc..."));
    EXPECT_THAT(line, Not(HasSubstr("\xef\xbf\xbd"))) << "a character was cut";
  }
  EXPECT_LT(FormatLog(true, LogLevel::kInfo, name, {}).size(), 2100u);
}

TEST(FormatLog, KeepsControlBytesOutOfTheTerminal) {
  const std::string line = FormatLog(false, LogLevel::kInfo, "call", {{"id", "a\x1b[31m\nb"}});
  for (const char c : line) EXPECT_GE(c, ' ') << line;
  // Without an ESC: DEL, and the CSI of U+009B.
  const std::string others = FormatLog(false, LogLevel::kInfo, "a\x1b[1mb",
                                       {{"id",
                                         "\x7f \xc2\x9b"
                                         "31m"}});
  EXPECT_THAT(others, HasSubstr("a\\x1b[1mb"));
  EXPECT_THAT(others, HasSubstr("\\x7f \\x9b31m"));
}

// What is left out is told.
TEST(LineBudget, BoundsASecondAndTellsTheRest) {
  LineBudget budget;
  const absl::Time start = absl::FromUnixSeconds(1000);
  int64_t left_out = 0;
  int written = 0;
  for (int i = 0; i < 1000; ++i) written += budget.Take(start, &left_out) ? 1 : 0;
  EXPECT_EQ(written, LineBudget::kPerSecond);
  EXPECT_TRUE(budget.Take(start + absl::Seconds(1), &left_out));
  EXPECT_EQ(left_out, 1000 - LineBudget::kPerSecond);
  EXPECT_TRUE(budget.Take(start + absl::Seconds(1), &left_out));
  EXPECT_EQ(left_out, 0);
}

}  // namespace
}  // namespace hiif::server
