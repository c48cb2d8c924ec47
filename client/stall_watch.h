// Ends waits for a server that is silent: its connection lives, its answer does not come. Internal
// to client/.
#ifndef CLIENT_STALL_WATCH_H_
#define CLIENT_STALL_WATCH_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace hiif::client {

class StallWatch {
 public:
  // on_stall is called, once, from a thread of its own where a Wait lasts longer than `most`;
  // infinite: never, without a thread.
  StallWatch(absl::Duration most, std::function<void()> on_stall);
  ~StallWatch();
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  // While it lives, the server is waited for. One at a time.
  class Wait {
   public:
    explicit Wait(StallWatch* watch) : watch_(*watch) { watch_.Begin(); }
    ~Wait() { watch_.End(); }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

   private:
    StallWatch& watch_;
  };

  bool stalled() const;

 private:
  using Clock = std::chrono::steady_clock;
  void Begin();
  void End();
  void Run();

  const absl::Duration most_;
  const std::function<void()> on_stall_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Clock::time_point end_ = Clock::time_point::max();
  bool done_ = false;
  bool stalled_ = false;
  std::thread thread_;
};

}  // namespace hiif::client

#endif  // CLIENT_STALL_WATCH_H_
