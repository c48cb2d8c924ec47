#include "server/rpc/call_threads.h"

#include <system_error>
#include <thread>
#include <utility>

namespace hiif::server {

CallThreads::~CallThreads() {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_ == 0; };
  mutex_.Await(absl::Condition(&idle));
}

bool CallThreads::Run(std::function<void()> work) {
  {
    absl::MutexLock lock(&mutex_);
    if (running_ >= max_) return false;
    ++running_;
  }
  try {
    std::thread([this, work = std::move(work)]() mutable {
      work();
      work = nullptr;
      absl::MutexLock lock(&mutex_);
      --running_;
    }).detach();
  } catch (const std::system_error&) {
    absl::MutexLock lock(&mutex_);
    --running_;
    return false;
  }
  return true;
}

}  // namespace hiif::server
