// What every call has around it, whatever carried it: authorisation, a slot, counting, logging.
#ifndef SERVER_CORE_CALL_HANDLER_H_
#define SERVER_CORE_CALL_HANDLER_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
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
    // caller: as of Authorize().
    Slot(CallHandler* handler, absl::string_view caller);
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    // ResourceExhausted: there are too many, of all callers or of this one, and it has no place.
    const absl::Status& status() const { return status_; }
    // The handler is over: the next call may have its place, while not too many answers wait for
    // their clients.
    void BeginSending();

   private:
    CallHandler* const handler_;
    const std::string caller_;
    const absl::Status status_;
    bool sending_;
  };

  // Counts, records and logs a call that is over; once each. traceparent: of the client, or empty.
  void Finish(CallName name, const Call& call, const std::string& traceparent,
              const CallReport& report, const absl::Status& status);

  // Calls being handled now, or whose answers are being sent, but for those that were refused.
  int calls() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Places {
    int handled = 0;
    int calls = 0;
  };
  absl::Status Enter(const std::string& caller) ABSL_LOCKS_EXCLUDED(mutex_);
  void LeaveHandled(const std::string& caller) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(const std::string& caller) ABSL_LOCKS_EXCLUDED(mutex_);

  Metrics* const metrics_;
  const HandlerOptions options_;
  mutable absl::Mutex mutex_;
  Places taken_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Places> taken_by_ ABSL_GUARDED_BY(mutex_);  // with calls > 0
};

}  // namespace hiif::server

#endif  // SERVER_CORE_CALL_HANDLER_H_
