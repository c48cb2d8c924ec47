// Whether the server answers.
#ifndef SERVER_FRONTS_GRPC_SELF_PROBE_H_
#define SERVER_FRONTS_GRPC_SELF_PROBE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "absl/time/time.h"
#include "base/steady_flag.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/status.h"
#include "server/config/address.h"

namespace hiif::server {

// A thread that asks the server for its health each second, in two ways: over a connection that it
// keeps, which needs no new descriptor and no room among the others (whether the process is alive,
// and whether a call finds a thread); and over a new one, as a stranger would (whether strangers
// get in).
class SelfProbe {
 public:
  // give: hands one end of a connection to gRPC, in clear text. address: where the server listens,
  // a wildcard for any of its own addresses. tls: strangers are asked for a handshake only.
  SelfProbe(std::function<void(int fd)> give, Address address, bool tls);
  ~SelfProbe();
  SelfProbe(const SelfProbe&) = delete;
  SelfProbe& operator=(const SelfProbe&) = delete;

  // False after two probes in a row without an answer: of the kept connection; of new ones. Any
  // thread.
  bool answered() const { return failures_ < 2; }
  bool reachable() const { return strangers_failures_ < 2; }

 private:
  void Watch();
  // Makes the connection where there is none, or where it was ended (for its age, say).
  bool AskKept();

  const std::function<void(int fd)> give_;
  const Address address_;
  const bool tls_;
  std::shared_ptr<grpc::Channel> kept_;
  std::atomic<int> failures_ = 0;
  std::atomic<int> strangers_failures_ = 0;
  SteadyFlag stop_;
  std::thread thread_;
};

// One probe over a new connection. Any answer of the health service counts: not serving is not
// deaf.
bool AnswersHealthCheck(const Address& address, absl::Duration timeout);
bool AnswersTlsHandshake(const Address& address, absl::Duration timeout);
// Whether a call of the service's own gets any answer; health checks need no thread of the calls'.
// What is sent is no message of it: it comes to no handler, and is neither logged nor counted.
grpc::Status CallWithoutMessage(const std::shared_ptr<grpc::Channel>& channel,
                                absl::Duration timeout);

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_SELF_PROBE_H_
