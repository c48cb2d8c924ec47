// Watches the calls being handled, because gRPC's synchronous API tells nobody that a client is
// gone.
#ifndef SERVER_FRONTS_GRPC_CALL_MONITOR_H_
#define SERVER_FRONTS_GRPC_CALL_MONITOR_H_

#include <atomic>
#include <set>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace hiif::server {

class GrpcCall;

// One thread that looks at every call each 20 ms, and sleeps while there are none.
class CallMonitor {
 public:
  // write_timeout: a call whose message is not taken for so long is ended; 0: never.
  explicit CallMonitor(absl::Duration write_timeout);
  ~CallMonitor();
  CallMonitor(const CallMonitor&) = delete;
  CallMonitor& operator=(const CallMonitor&) = delete;

  void Add(GrpcCall* call);
  // Returns when the call is not looked at any more.
  void Remove(GrpcCall* call);
  absl::Duration write_timeout() const { return write_timeout_; }
  // Streams that wait for a request are ended from now on.
  void BeginDraining() { draining_ = true; }

 private:
  void Watch();

  const absl::Duration write_timeout_;
  std::atomic<bool> draining_ = false;
  absl::Mutex mutex_;  // held while calls are looked at
  std::set<GrpcCall*> calls_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_CALL_MONITOR_H_
