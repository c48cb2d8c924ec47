// Threads for calls that are read without one.
#ifndef SERVER_FRONTS_CALL_THREADS_H_
#define SERVER_FRONTS_CALL_THREADS_H_

#include <functional>
#include <list>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace hiif::server {

class CallThreads {
 public:
  explicit CallThreads(int max) : max_(max) {}
  // Waits until all are done.
  ~CallThreads();
  CallThreads(const CallThreads&) = delete;
  CallThreads& operator=(const CallThreads&) = delete;

  // Runs `work` on a thread of its own; false: `max` of them run already, or the system has no
  // more.
  bool Run(std::function<void()> work);

 private:
  const int max_;
  absl::Mutex mutex_;
  std::list<std::thread> running_ ABSL_GUARDED_BY(mutex_);
  std::thread finished_ ABSL_GUARDED_BY(mutex_);  // the last one; it joins the one before it
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_CALL_THREADS_H_
