// Errors as application/problem+json (RFC 9457).
#ifndef SERVER_FRONTS_HTTP_PROBLEM_H_
#define SERVER_FRONTS_HTTP_PROBLEM_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/fronts/http/message.h"

namespace hiif::server::http {

// 400 for INVALID_ARGUMENT, 429 for RESOURCE_EXHAUSTED, ... as google.rpc.Code maps them.
int HttpStatus(absl::StatusCode code);

// {"type", "title", "status", "detail", "code", "reason", "field", "retry_after_seconds",
// "request_id"}: code, reason and field are what gRPC's clients get. Retry-After where trying again
// helps. http_status: where HTTP has a better word than HttpStatus(); 0: it has not.
Answer Problem(const absl::Status& status, absl::string_view request_id, int http_status = 0);

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_PROBLEM_H_
