// Real threads. Meant for the tsan preset as well:
//   cmake --preset tsan && cmake --build --preset tsan --target scheduling_test &&
//   build/tsan/tests/scheduling_test
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "scheduling/scheduler.h"

namespace hiif::scheduling {
namespace {

struct CountingJob : Job {
  void OnDone(const absl::Status& status) override {
    ok = status.ok();
    running_at_end = running.load();
    ++done;
  }
  std::atomic<int> running{0};
  std::atomic<int> ran{0};
  std::atomic<int> done{0};
  std::atomic<int> running_at_end{0};
  std::atomic<bool> ok{false};
};

struct SpinningDevice : Device {
  std::vector<absl::Status> Run(absl::Span<const Assignment> batch) override {
    for (const Assignment& a : batch) ++static_cast<CountingJob*>(a.job)->running;
    std::this_thread::yield();
    for (const Assignment& a : batch) {
      ++static_cast<CountingJob*>(a.job)->ran;
      --static_cast<CountingJob*>(a.job)->running;
    }
    return std::vector<absl::Status>(batch.size());
  }
};

TEST(SchedulerStress, ManyThreadsSubmitCreditAndCancel) {
  SpinningDevice device;
  SteadyClock clock;
  std::atomic<int64_t> batches{0};
  {
    Scheduler scheduler({.workers = 3}, &device, &clock, [&](int64_t, int64_t) { ++batches; });
    std::vector<std::thread> clients;
    for (int client = 0; client < 4; ++client) {
      clients.emplace_back([&, client] {
        for (int i = 0; i < 200; ++i) {
          auto job = std::make_shared<CountingJob>();
          const Admission admission = scheduler.Submit(
              {.job = job,
               .caller = std::to_string(client % 2),
               .model = "m",
               .stages = {{"encode", {1}, 0, 0}, {"query", std::vector<int64_t>(8, 3), 0, 2}}});
          ASSERT_TRUE(admission.status.ok());
          if (i % 3 == 0) {
            scheduler.Cancel(admission.id, absl::CancelledError("gone"));
            EXPECT_EQ(job->done, 1);
            EXPECT_EQ(job->running, 0);
            continue;
          }
          while (job->done == 0) {
            scheduler.Credit(admission.id, /*stage=*/1, 1);
            std::this_thread::yield();
          }
          EXPECT_TRUE(job->ok);
          EXPECT_EQ(job->ran, 9);
          EXPECT_EQ(job->running_at_end, 0);
        }
      });
    }
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(scheduler.Statistics().jobs, 0);
    EXPECT_EQ(scheduler.Drain(absl::Seconds(5)), 0);
  }
  EXPECT_GT(batches, 0);
}

TEST(SchedulerStress, DeadlineWakesAnIdleWorker) {
  SpinningDevice device;
  SteadyClock clock;
  Scheduler scheduler({.workers = 1}, &device, &clock);
  auto job = std::make_shared<CountingJob>();
  scheduler.Submit({.job = job,
                    .caller = "c",
                    .model = "m",
                    .deadline = clock.Now() + absl::Milliseconds(50),
                    .stages = {{"query", {1, 1, 1}, 0, 1}}});
  for (int i = 0; i < 500 && job->done == 0; ++i) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_EQ(job->done, 1);
  EXPECT_FALSE(job->ok);
}

// Pieces that take as long as they want and cannot be cut, of however many jobs, leave a worker.
TEST(SchedulerStress, WhatCannotBeCutLeavesAWorkerForOthers) {
  struct SlowDevice : Device {
    std::vector<absl::Status> Run(absl::Span<const Assignment> batch) override {
      if (batch[0].coordinates == 1000) {
        ++slow;
        end.WaitForNotification();
      }
      return std::vector<absl::Status>(batch.size());
    }
    std::atomic<int> slow{0};
    absl::Notification end;
  };
  SlowDevice device;
  SteadyClock clock;
  Scheduler scheduler({.workers = 2}, &device, &clock);
  std::vector<std::shared_ptr<CountingJob>> jobs;
  const auto submit = [&](int64_t cost, bool uncut) {
    jobs.push_back(std::make_shared<CountingJob>());
    Stage stage{"file", {cost}};
    stage.uncut = uncut;
    scheduler.Submit({.job = jobs.back(), .caller = "c", .model = "m", .stages = {stage}});
  };
  for (int i = 0; i < 4; ++i) submit(1000, /*uncut=*/true);
  while (device.slow == 0) absl::SleepFor(absl::Milliseconds(1));
  for (int i = 0; i < 20; ++i) submit(1, /*uncut=*/false);
  const auto done = [&] {
    int sum = 0;
    for (const auto& job : jobs) sum += job->done;
    return sum;
  };
  for (int i = 0; i < 1000 && done() < 20; ++i) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(done(), 20);
  EXPECT_EQ(device.slow, 1);
  device.end.Notify();
  for (int i = 0; i < 1000 && done() < 24; ++i) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(done(), 24);
}

TEST(SchedulerStress, DestructionEndsEveryJobOnce) {
  SpinningDevice device;
  SteadyClock clock;
  std::vector<std::shared_ptr<CountingJob>> jobs;
  {
    Scheduler scheduler({.workers = 2}, &device, &clock);
    for (int i = 0; i < 50; ++i) {
      jobs.push_back(std::make_shared<CountingJob>());
      scheduler.Submit({.job = jobs.back(),
                        .caller = "c",
                        .model = "m",
                        .stages = {{"query", std::vector<int64_t>(100, 1), 0, 0}}});
    }
  }
  for (const auto& job : jobs) EXPECT_EQ(job->done, 1);
}

}  // namespace
}  // namespace hiif::scheduling
