// How long one HTTP connection may take. InfiniteDuration: for ever.
#ifndef SERVER_FRONTS_HTTP_SESSION_LIMITS_H_
#define SERVER_FRONTS_HTTP_SESSION_LIMITS_H_

#include "absl/time/time.h"

namespace hiif::server::http {

struct SessionLimits {
  absl::Duration handshake;  // for TLS, and for the head of a request
  absl::Duration idle;       // between requests
  absl::Duration age;        // older connections get no further request
  absl::Duration read;       // for the next part of a body
  absl::Duration write;      // a piece of an answer that is not taken
};

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_SESSION_LIMITS_H_
