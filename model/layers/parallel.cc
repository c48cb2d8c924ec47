#include "model/layers/parallel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>

namespace hiif {
namespace {

// LibTorch's operations of this thread are done by it alone. That number is what threads new to
// LibTorch take, too: the last to give it back must be the caller.
class OneThread {
 public:
  OneThread() { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  int threads_before() const { return before_; }

 private:
  const int before_ = at::get_num_threads();
};

// Held by helpers that begin when all is done, too.
class Parts {
 public:
  Parts(int64_t count, const std::function<void(int64_t)>& run) : count_(count), run_(&run) {}

  // Any thread: takes parts until there are none left.
  void Work() {
    {
      const std::lock_guard lock(mutex_);
      if (next_ == count_) return;
      ++working_;
    }
    {
      const OneThread one_thread;
      for (int64_t part; Take(&part);) {
        try {
          (*run_)(part);
        } catch (...) {
          Fail(std::current_exception());
        }
      }
    }
    const std::lock_guard lock(mutex_);
    if (--working_ == 0) nobody_works_.notify_all();
  }

  // The caller, when it found none left.
  void Wait() {
    std::unique_lock lock(mutex_);
    nobody_works_.wait(lock, [&] { return working_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  bool Take(int64_t* part) {
    const std::lock_guard lock(mutex_);
    if (next_ == count_) return false;
    *part = next_++;
    return true;
  }

  void Fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    next_ = count_;
    if (!error_) error_ = std::move(error);
  }

  const int64_t count_;
  const std::function<void(int64_t)>* const run_;  // there while somebody works
  std::mutex mutex_;
  std::condition_variable nobody_works_;
  int64_t next_ = 0;
  int64_t working_ = 0;
  std::exception_ptr error_;
};

}  // namespace

void InParallel(int64_t count, int64_t at_once, const std::function<void(int64_t)>& run) {
  const OneThread until_all_are_done;
  const auto parts = std::make_shared<Parts>(count, run);
  const int64_t threads = std::min<int64_t>({count, at_once, until_all_are_done.threads_before()});
  try {
    for (int64_t i = 1; i < threads; ++i) at::launch([parts] { parts->Work(); });
  } catch (const std::exception&) {
    // No memory, no thread: those that there are do it.
  }
  parts->Work();
  parts->Wait();
}

at::Tensor OnOneThread(const std::function<at::Tensor()>& make) {
  const OneThread one_thread;
  return make();
}

}  // namespace hiif
