#include "server/fronts/call_threads.h"

#include <system_error>
#include <utility>

namespace hiif::server {

CallThreads::~CallThreads() {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_.empty(); };
  mutex_.Await(absl::Condition(&idle));
  if (finished_.joinable()) finished_.join();
}

bool CallThreads::Run(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (static_cast<int>(running_.size()) >= max_) return false;
  const auto self = running_.emplace(running_.end());
  try {
    *self = std::thread([this, self, work = std::move(work)]() mutable {
      work();
      work = nullptr;
      std::thread before;
      {
        absl::MutexLock end(&mutex_);
        before = std::exchange(finished_, std::move(*self));
        running_.erase(self);
      }
      if (before.joinable()) before.join();
    });
  } catch (const std::system_error&) {
    running_.erase(self);
    return false;
  }
  return true;
}

}  // namespace hiif::server
