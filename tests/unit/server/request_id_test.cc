#include "server/core/request_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/errors/errors.h"

namespace hiif::server {
namespace {

TEST(RequestId, IsTheClientsOrANewOne) {
  EXPECT_EQ(*RequestId("f", "mine ~"), "mine ~");
  EXPECT_EQ(RequestId("f", "")->size(), 16);
  EXPECT_NE(*RequestId("f", ""), *RequestId("f", ""));
  EXPECT_TRUE(RequestId("f", std::string(128, 'x')).ok());
}

TEST(RequestId, RefusesWhatMetadataCannotHold) {
  for (int c = 0; c < 256; ++c) {
    const bool printable = c >= 0x20 && c <= 0x7e;
    const auto id = RequestId("f", std::string(3, static_cast<char>(c)));
    EXPECT_EQ(id.ok(), printable) << c;
    if (!printable) {
      EXPECT_EQ(ReasonOf(id.status()), kReasonInvalidField);
    }
  }
  EXPECT_FALSE(RequestId("f", std::string(129, 'x')).ok());
}

TEST(InvalidField, KeepsMessagesShort) {
  const absl::Status status = InvalidField("f", std::string(1'000'000, 'x'));
  EXPECT_LT(status.message().size(), 1100);
}

}  // namespace
}  // namespace hiif::server
