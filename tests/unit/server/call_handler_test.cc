#include "server/core/call_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "server/errors/errors.h"

namespace hiif::server {
namespace {

class CallHandlerTest : public testing::Test {
 protected:
  // Places of the caller one after another until it is refused; how many it got.
  int TakeAll(CallHandler* handler, const std::string& caller, bool sending = false) {
    for (int got = 0;; ++got) {
      CallHandler::Slot& slot = slots_.emplace_back(handler, caller);
      last_ = slot.status();
      if (!last_.ok()) return got;
      if (sending) slot.BeginSending();
    }
  }

  Metrics metrics_{"cpu"};
  CallHandler handler_{&metrics_, {.max_calls = 16}};
  std::deque<CallHandler::Slot> slots_;
  absl::Status last_;
};

// Defect: a caller that kept as many calls open as there may be had every place, for as long as it
// liked.
TEST_F(CallHandlerTest, OneCallerLeavesPlacesToOthers) {
  EXPECT_EQ(TakeAll(&handler_, "alice"), 14);
  EXPECT_EQ(ReasonOf(last_), kReasonQueueFull);
  EXPECT_THAT(last_.message(), testing::HasSubstr("of this caller"));
  EXPECT_EQ(TakeAll(&handler_, "bob"), 2);
  EXPECT_EQ(TakeAll(&handler_, "carol"), 0);
  EXPECT_THAT(last_.message(), testing::HasSubstr("too many calls at once"));
  EXPECT_EQ(handler_.calls(), 16);
  // What is given back is for those that have little.
  slots_.pop_front();
  EXPECT_EQ(TakeAll(&handler_, "alice"), 0);
  EXPECT_EQ(TakeAll(&handler_, "carol"), 1);
  slots_.clear();
  EXPECT_EQ(handler_.calls(), 0);
  EXPECT_EQ(TakeAll(&handler_, "alice"), 14);
}

TEST_F(CallHandlerTest, FewPlacesAreWhoevers) {
  CallHandler handler{&metrics_, {.max_calls = 7}};
  EXPECT_EQ(TakeAll(&handler, "alice"), 7);
  slots_.clear();
}

TEST_F(CallHandlerTest, AnswersThatWaitLeavePlacesToo) {
  EXPECT_EQ(TakeAll(&handler_, "alice", /*sending=*/true), 28);
  EXPECT_EQ(TakeAll(&handler_, "bob"), 4);
  EXPECT_EQ(handler_.calls(), 32);
}

TEST_F(CallHandlerTest, TheAddressesOfOneSubnetAreOneCaller) {
  EXPECT_EQ(TakeAll(&handler_, "2001:db8:1:2::1"), 14);
  EXPECT_EQ(TakeAll(&handler_, "2001:db8:1:2::2"), 0);
  EXPECT_EQ(TakeAll(&handler_, "2001:db8:1:3::2"), 2);
}

}  // namespace
}  // namespace hiif::server
