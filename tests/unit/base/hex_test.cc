#include "base/hex.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace hiif {
namespace {

TEST(BytesOfHex, TakesPairsInEitherCase) {
  EXPECT_EQ(BytesOfHex(""), "");
  EXPECT_EQ(BytesOfHex("00fFA5"), std::string("\0\xff\xa5", 3));
}

TEST(BytesOfHex, RefusesWhatIsNoPairOfDigits) {
  for (const char* digits : {"0", "123", "0g", "g0", "-1", "+1", "0x", " 1", "1 ", "12 4"})
    EXPECT_EQ(BytesOfHex(digits), std::nullopt) << digits;
  EXPECT_EQ(BytesOfHex(absl::string_view("1\0", 2)), std::nullopt);
}

}  // namespace
}  // namespace hiif
