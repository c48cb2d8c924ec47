#include "base/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace hiif {
namespace {

TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);  // RFC 3720, the usual check value
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Crc32c, Continues) {
  const std::string text = "coordinates of many requests in one batch";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32c(text.substr(cut), Crc32c(text.substr(0, cut))), Crc32c(text));
  }
}

TEST(Sha256, KnownVector) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, OfPartsIsThatOfTheWhole) {
  EXPECT_EQ(Sha256Hex({"ab", "", "c"}), Sha256Hex("abc"));
  EXPECT_EQ(Sha256Hex(absl::Span<const absl::string_view>()), Sha256Hex(""));
}

}  // namespace
}  // namespace hiif
