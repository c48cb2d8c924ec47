// Where calls that are over are recorded, see server/tracing.
#ifndef SERVER_CORE_TRACER_H_
#define SERVER_CORE_TRACER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/call.h"

namespace hiif::server {

// One call that is over.
struct TracedCall {
  absl::string_view front;  // "grpc", "http", "kserve"
  std::string method;       // "Upscale", ...
  absl::Status status;
  std::string request_id;
  std::string traceparent;  // of the client, well formed, or empty: the trace begins here
  absl::Time begin;
  absl::Time end;
};

// Any thread.
class Tracer {
 public:
  // Sends what is left, for some seconds.
  virtual ~Tracer() = default;
  // Queues the call's spans; where the collector does not keep up, they are dropped. Returns the
  // trace's id in hex; empty: the client's traceparent says that nothing is to be recorded.
  virtual std::string Record(const TracedCall& call, const CallReport& report) = 0;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_TRACER_H_
