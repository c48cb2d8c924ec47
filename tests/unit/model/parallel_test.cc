#include "model/layers/parallel.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

namespace hiif {
namespace {

class InParallelTest : public ::testing::Test {
 protected:
  InParallelTest() { at::set_num_threads(8); }
  ~InParallelTest() override { at::set_num_threads(before_); }

 private:
  const int before_ = at::get_num_threads();
};

TEST_F(InParallelTest, EveryPartIsDoneOnceAndNoMoreAtATimeThanAllowed) {
  for (const int at_once : {1, 3}) {
    std::mutex mutex;
    std::condition_variable more;
    std::multiset<int64_t> done;
    std::set<std::thread::id> threads;
    int running = 0, most = 0;
    InParallel(30, at_once, [&](int64_t part) {
      std::unique_lock lock(mutex);
      most = std::max(most, ++running);
      done.insert(part);
      threads.insert(std::this_thread::get_id());
      more.notify_all();
      // The first waits until another thread comes.
      if (at_once > 1)
        more.wait_for(lock, std::chrono::seconds(30), [&] { return threads.size() > 1; });
      --running;
    });
    EXPECT_EQ(done.size(), 30);
    EXPECT_EQ(std::set<int64_t>(done.begin(), done.end()).size(), 30);
    EXPECT_LE(most, at_once);
    EXPECT_EQ(threads.size() > 1, at_once > 1);
  }
  InParallel(0, 3, [](int64_t) { ADD_FAILURE(); });
}

TEST_F(InParallelTest, OthersWorkAsTheCallerDoesWithOneThreadEach) {
  const c10::InferenceMode inference;
  std::atomic<int> wrong = 0;
  InParallel(16, 4, [&](int64_t) {
    if (!c10::InferenceMode::is_enabled() || at::get_num_threads() != 1) ++wrong;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(at::get_num_threads(), 8);
}

TEST_F(InParallelTest, TheFirstExceptionIsTheCallers) {
  for (const int at_once : {1, 4}) {
    std::atomic<int> begun = 0, running = 0;
    const auto run = [&] {
      InParallel(1000, at_once, [&](int64_t part) {
        ++begun;
        ++running;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        --running;
        if (part >= 5) throw std::runtime_error("no");
      });
    };
    EXPECT_THROW(run(), std::runtime_error);
    EXPECT_EQ(running, 0) << "nothing runs any more";
    EXPECT_LE(begun, 6 + at_once);
  }
}

}  // namespace
}  // namespace hiif
