// What a training step needs, made ahead of it by a few threads.
#ifndef TRAIN_LOADER_H_
#define TRAIN_LOADER_H_

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace hiif::train {

struct LoaderOptions {
  int threads = 1;
  int64_t ahead = 4;  // batches finished or in work before their step, at least 1
};

// Next() gives make(first), make(first + 1), ... in order, whatever the number of threads. One
// consumer.
template <class Made>
class Loader {
 public:
  // `make` is called by any thread; what it throws, Next() of its step throws.
  Loader(std::function<Made(int64_t step)> make, int64_t first, const LoaderOptions& options)
      : make_(std::move(make)),
        ahead_(std::max<int64_t>(options.ahead, 1)),
        taken_(first),
        started_(first) {
    for (int i = 0; i < std::max(options.threads, 1); ++i) {
      threads_.emplace_back([this] { Work(); });
    }
  }
  // Stops the threads.
  ~Loader() {
    {
      absl::MutexLock lock(&mutex_);
      stop_ = true;
    }
    for (std::thread& thread : threads_) thread.join();
  }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Waits for it if need be.
  Made Next() {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return finished_.count(taken_) > 0;
    };
    mutex_.Await(absl::Condition(&ready));
    auto node = finished_.extract(taken_);
    ++taken_;
    if (node.mapped().error) std::rethrow_exception(node.mapped().error);
    return std::move(node.mapped().made);
  }

 private:
  struct Finished {
    Made made;
    std::exception_ptr error;
  };

  bool MayStart() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stop_ || started_ < taken_ + ahead_;
  }

  void Work() {
    while (true) {
      int64_t step;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Loader::MayStart));
        if (stop_) return;
        step = started_++;
      }
      Finished finished;
      try {
        finished.made = make_(step);
      } catch (...) {
        finished.error = std::current_exception();
      }
      absl::MutexLock lock(&mutex_);
      finished_.emplace(step, std::move(finished));
    }
  }

  const std::function<Made(int64_t)> make_;
  const int64_t ahead_;
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t taken_ ABSL_GUARDED_BY(mutex_);    // the step that Next() gives out next
  int64_t started_ ABSL_GUARDED_BY(mutex_);  // the step that a thread takes up next
  std::map<int64_t, Finished> finished_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace hiif::train

#endif  // TRAIN_LOADER_H_
