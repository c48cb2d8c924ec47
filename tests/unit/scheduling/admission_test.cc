#include "scheduling/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace hiif::scheduling {
namespace {

using absl::InfiniteDuration;
using absl::Seconds;

double RetrySeconds(const Admission& admission) {
  return absl::ToDoubleSeconds(admission.retry_after);
}

TEST(Admission, OfAnEmptyServerIsGivenWhateverTheWork) {
  const Admission admission =
      Judge({.max_bytes = 10, .max_queue_time = Seconds(1)}, {}, {Seconds(100), 10}, Seconds(1));
  EXPECT_TRUE(admission.status.ok()) << admission.status;
  EXPECT_EQ(admission.estimate, Seconds(100));
}

TEST(Admission, WhatNeverFitsIsRefusedForGood) {
  for (const std::vector<Demand>& in_work :
       {std::vector<Demand>{}, std::vector<Demand>{{Seconds(1), 10}}}) {
    const Admission refused =
        Judge({.max_bytes = 100}, in_work, {Seconds(1), 101}, InfiniteDuration());
    EXPECT_EQ(refused.status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(refused.reason, RejectReason::kTooLarge);
    EXPECT_EQ(refused.retry_after, absl::ZeroDuration());
  }
  EXPECT_TRUE(Judge({.max_bytes = 100}, {}, {Seconds(1), 100}, InfiniteDuration()).status.ok());
}

// Defect: while a model was loaded again, with the weights of both in memory, a request was refused
// for good that fits at any other time.
TEST(Admission, WhatOthersHoldForAWhileIsWaitedFor) {
  const auto judge = [](const std::vector<Demand>& in_work, const OtherBytes& other) {
    return Judge({.max_bytes = 100}, in_work, {Seconds(1), 60}, InfiniteDuration(), other);
  };
  const Admission refused = judge({}, {.now = 60, .idle = 30});
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.reason, RejectReason::kMemory);
  EXPECT_NEAR(RetrySeconds(refused), 1, 1e-6);
  EXPECT_TRUE(judge({}, {.now = 30, .idle = 30}).status.ok());
  // What is in work is waited for as well, where it would be in the way afterwards.
  EXPECT_NEAR(RetrySeconds(judge({{Seconds(5), 10}}, {.now = 60, .idle = 30})), 1, 1e-6);
  EXPECT_NEAR(RetrySeconds(judge({{Seconds(5), 20}}, {.now = 60, .idle = 30})), 5, 1e-5);
  // Beside what stays it never fits.
  const Admission never = judge({}, {.now = 60, .idle = 41});
  EXPECT_EQ(never.reason, RejectReason::kTooLarge);
  EXPECT_EQ(never.retry_after, absl::ZeroDuration());
}

// Defect: one caller who took nothing of what he had asked for held the memory of all.
TEST(Admission, WhoHasRequestsLeavesAQuarterOfTheMemoryToOthers) {
  const auto judge = [](int64_t bytes, bool of_asker) {
    const std::vector<Demand> in_work = {{.left = Seconds(2), .bytes = 60, .of_asker = of_asker}};
    return Judge({.max_bytes = 100}, in_work, {Seconds(1), bytes}, InfiniteDuration());
  };
  EXPECT_TRUE(judge(15, true).status.ok());
  const Admission refused = judge(16, true);
  EXPECT_EQ(refused.reason, RejectReason::kMemory);
  EXPECT_THAT(refused.status.message(), testing::HasSubstr("the 40 that are left are for others"));
  EXPECT_NEAR(RetrySeconds(refused), 2, 1e-5);
  EXPECT_TRUE(judge(40, false).status.ok()) << "of others";
  EXPECT_TRUE(Judge({.max_bytes = 100}, {}, {Seconds(1), 100}, InfiniteDuration()).status.ok())
      << "one alone";
}

TEST(Admission, ByCountIsPossibleWhenTheShortestJobIsDone) {
  const std::vector<Demand> in_work = {{Seconds(1)}, {Seconds(3)}, {Seconds(9)}};
  const Admission refused = Judge({.max_jobs = 3}, in_work, {Seconds(1)}, InfiniteDuration());
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.reason, RejectReason::kQueueFull);
  EXPECT_NEAR(RetrySeconds(refused), 3, 1e-6);  // each has had one second
}

TEST(Admission, ByBytesIsPossibleWhenEnoughJobsAreDone) {
  const std::vector<Demand> in_work = {{Seconds(1), 10}, {Seconds(2), 70}, {Seconds(5), 10}};
  const Admission refused =
      Judge({.max_bytes = 100}, in_work, {Seconds(1), 60}, InfiniteDuration());
  EXPECT_EQ(refused.reason, RejectReason::kMemory);
  EXPECT_NEAR(RetrySeconds(refused), 5, 1e-6);  // 1 + 2 + 2
}

TEST(Admission, ByQueueTimeIsPossibleWhenTheOthersAreShortEnough) {
  // Ten of 1 s each: shared 10 s, the limit is reached when 0.2 s of each are left.
  const std::vector<Demand> in_work(10, {Seconds(1)});
  const Admission refused =
      Judge({.max_queue_time = Seconds(2)}, in_work, {Seconds(1)}, InfiniteDuration());
  EXPECT_EQ(refused.reason, RejectReason::kQueueFull);
  EXPECT_NEAR(RetrySeconds(refused), 8, 1e-6);
}

TEST(Admission, ByDeadlineIsPossibleWhenItFitsBesideTheOthers) {
  // One of 100 s: served fairly, 1 s takes two; within 1.5 s when 0.5 s of the other are left.
  const Admission refused = Judge({}, {{{Seconds(100)}}}, {Seconds(1)}, Seconds(1.5));
  EXPECT_EQ(refused.reason, RejectReason::kDeadline);
  EXPECT_NEAR(RetrySeconds(refused), 99.5, 1e-4);
  EXPECT_TRUE(Judge({}, {{{Seconds(100)}}}, {Seconds(1)}, Seconds(2)).status.ok());
}

TEST(Admission, TakesEveryObjectionIntoTheRetryTime) {
  // Refused for the count; but when that is well, the deadline stands in the way.
  const std::vector<Demand> in_work = {{Seconds(1)}, {Seconds(10)}};
  const Admission refused = Judge({.max_jobs = 2}, in_work, {Seconds(2)}, Seconds(3));
  EXPECT_EQ(refused.reason, RejectReason::kQueueFull);
  EXPECT_NEAR(RetrySeconds(refused), 10, 1e-5);  // 1 of the first, 9 of the second
}

TEST(Admission, JobsOfFewPiecesRunBesideEachOther) {
  // Each keeps one worker of four busy for 8 s.
  const Demand job{.left = Seconds(8), .busy = 0.25};
  const auto estimate = [&](int64_t others, const Demand& asked) {
    return absl::ToDoubleSeconds(
        Judge({}, std::vector<Demand>(others, job), asked, InfiniteDuration()).estimate);
  };
  EXPECT_NEAR(estimate(0, job), 8, 1e-6);
  EXPECT_NEAR(estimate(3, job), 8, 1e-6);
  EXPECT_NEAR(estimate(7, job), 16, 1e-6);
  // What uses all workers waits for what the others take of them.
  EXPECT_NEAR(estimate(3, {Seconds(5)}), 11, 1e-6);
  // By count: possible when they are done, all at once.
  const Admission refused =
      Judge({.max_jobs = 3}, std::vector<Demand>(3, job), job, InfiniteDuration());
  EXPECT_NEAR(RetrySeconds(refused), 8, 1e-5);
  // By deadline: eight hold the workers for 16 s; beside the rest of them there is room.
  const Admission late = Judge({}, std::vector<Demand>(8, job), job, Seconds(10));
  EXPECT_EQ(late.reason, RejectReason::kDeadline);
  EXPECT_NEAR(RetrySeconds(late), 8, 1e-5);  // each to 1 s of its 2: 8 + 2 of the one that asks
}

TEST(Admission, WhatIsTooLongEvenAloneMayTry) {
  EXPECT_TRUE(Judge({}, {{{Seconds(100)}}}, {Seconds(5)}, Seconds(1)).status.ok());
}

TEST(Admission, RetryTimesHaveAFloor) {
  const Admission refused =
      Judge({.max_jobs = 1}, {{{absl::Milliseconds(3)}}}, {Seconds(1)}, InfiniteDuration());
  EXPECT_EQ(refused.retry_after, absl::Milliseconds(50));
}

}  // namespace
}  // namespace hiif::scheduling
