// What every call has around it, whatever carried it: authorisation, a slot, counting, logging.
#ifndef SERVER_CORE_CALL_HANDLER_H_
#define SERVER_CORE_CALL_HANDLER_H_

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "server/core/call.h"
#include "server/core/tracer.h"
#include "server/metrics/metrics.h"
#include "server/security/tokens.h"

namespace hiif::server {

struct HandlerOptions {
  const TokenFile* tokens = nullptr;  // nullptr: nobody is asked for a token
  int max_calls = 512;
  Tracer* tracer = nullptr;  // nullptr: nothing is recorded
};

// What a caller shows of itself.
struct Credentials {
  std::string authorization;  // the header's value, or empty
  std::string peer;           // address without a port
  std::string certificate;    // name in the client's certificate, or empty
};

// Which door a call came in by, and what it asks for. Both are labels of metrics.
struct CallName {
  const char* front;
  const char* method;
};

// Shared by all fronts. Any thread. Everything given outlives it.
class CallHandler {
 public:
  CallHandler(Metrics* metrics, HandlerOptions options) : metrics_(metrics), options_(options) {}

  // Unauthenticated, PermissionDenied: the token; scope: what it needs, empty: any will do.
  // caller: set in any case, to the name of the token, of the certificate, or the address.
  absl::Status Authorize(const Credentials& credentials, const char* scope,
                         std::string* caller) const;

  // A place among the calls handled at once, given back when only the answer is left to be sent,
  // and one among those that are not over, given back at the end of its life.
  class Slot {
   public:
    explicit Slot(CallHandler* handler);
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    // ResourceExhausted: there are too many, and both are given back.
    absl::Status Check();
    // The handler is over: the next call may have its place, while not too many answers wait for
    // their clients.
    void BeginSending();

   private:
    void Release();
    CallHandler* const handler_;
    const int handled_;
    const int calls_;
    bool sending_ = false;
    bool released_ = false;
  };

  // Counts, records and logs a call that is over; once each. traceparent: of the client, or empty.
  void Finish(CallName name, const Call& call, const std::string& traceparent,
              const CallReport& report, const absl::Status& status);

  // Calls being handled now, or whose answers are being sent, but for those that were refused.
  int calls() const { return calls_; }

 private:
  Metrics* const metrics_;
  const HandlerOptions options_;
  std::atomic<int> handled_ = 0;
  std::atomic<int> calls_ = 0;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_CALL_HANDLER_H_
