#include "client/stall_watch.h"

#include <utility>

namespace hiif::client {

StallWatch::StallWatch(absl::Duration most, std::function<void()> on_stall)
    : most_(most), on_stall_(std::move(on_stall)) {
  if (most_ != absl::InfiniteDuration()) thread_ = std::thread([this] { Run(); });
}

StallWatch::~StallWatch() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool StallWatch::stalled() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stalled_;
}

void StallWatch::Begin() {
  if (!thread_.joinable()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  // The thread is only told where it would sleep for ever: it looks again when its time is over.
  const bool idle = end_ == Clock::time_point::max();
  end_ = Clock::now() + absl::ToChronoNanoseconds(most_);
  if (idle) changed_.notify_all();
}

void StallWatch::End() {
  if (!thread_.joinable()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  end_ = Clock::time_point::max();
}

void StallWatch::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!done_) {
    if (end_ == Clock::time_point::max()) {
      changed_.wait(lock);
    } else if (Clock::now() < end_) {
      changed_.wait_until(lock, end_);
    } else {
      stalled_ = true;
      lock.unlock();
      on_stall_();
      return;
    }
  }
}

}  // namespace hiif::client
