// Whether the server answers on its own port.
#ifndef SERVER_RPC_SELF_PROBE_H_
#define SERVER_RPC_SELF_PROBE_H_

#include <atomic>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/config/address.h"

namespace hiif::server {

// A thread that connects to the server each second, as a stranger would: a health check over a new
// connection or, with TLS, a handshake. What is deaf (no descriptors, no threads, a listener that
// was closed) is found so, which the state of the process does not tell.
class SelfProbe {
 public:
  // address: where the server listens, a wildcard for any of its own addresses.
  SelfProbe(Address address, bool tls);
  ~SelfProbe();
  SelfProbe(const SelfProbe&) = delete;
  SelfProbe& operator=(const SelfProbe&) = delete;

  // False after two probes in a row without an answer. Any thread.
  bool answered() const { return failures_ < 2; }

 private:
  void Watch();

  const Address address_;
  const bool tls_;
  std::atomic<int> failures_ = 0;
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// One probe. Any answer of the health service counts: not serving is not deaf.
bool AnswersHealthCheck(const Address& address, absl::Duration timeout);
bool AnswersTlsHandshake(const Address& address, absl::Duration timeout);

}  // namespace hiif::server

#endif  // SERVER_RPC_SELF_PROBE_H_
