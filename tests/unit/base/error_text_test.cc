#include "base/error_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace hiif {
namespace {

TEST(ErrorText, IsWhatTheSystemSays) {
  EXPECT_EQ(ErrorText(ENOENT), "No such file or directory");
  EXPECT_EQ(ErrorText(ENOSPC), "No space left on device");
}

TEST(ErrorText, HasTheNumberOfAnUnknownError) {
  EXPECT_THAT(ErrorText(4711), ::testing::HasSubstr("4711"));
}

}  // namespace
}  // namespace hiif
