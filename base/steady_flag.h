// Waiting that no setting of the wall clock stretches.
#ifndef BASE_STEADY_FLAG_H_
#define BASE_STEADY_FLAG_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace hiif {

// Raised once, and waited for by the steady clock. Abseil's timeouts go by the wall clock: where it
// is set back an hour meanwhile, a second lasts an hour and a second. Any thread.
class SteadyFlag {
 public:
  void Raise() {
    const std::lock_guard<std::mutex> lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  // Whether it was raised before the time was over.
  bool WaitFor(absl::Duration time) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, absl::ToChronoNanoseconds(time), [this] { return raised_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

}  // namespace hiif

#endif  // BASE_STEADY_FLAG_H_
