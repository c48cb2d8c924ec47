// How a client reaches its servers and what it does about failures.
#ifndef CLIENT_OPTIONS_H_
#define CLIENT_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace hiif::client {

// Contents of PEM files. Everything empty: the system's roots, no client certificate.
struct TlsOptions {
  bool enabled = false;
  std::string roots_pem;
  std::string certificate_pem;  // with key_pem: mutual TLS
  std::string key_pem;
  std::string server_name;  // expected in the server's certificate; empty: the host of the address
};

// UNAVAILABLE and broken streams (CANCELLED without a stop request is one) are tried again after
// initial_backoff * multiplier^n, at most max_backoff, each wait varied by +- jitter.
// RESOURCE_EXHAUSTED is tried again only where the server said when (google.rpc.RetryInfo), after
// that time.
struct RetryPolicy {
  // In a row without progress (tiles that need not be sent again; an encoded output has none); 1:
  // no retries.
  int max_attempts = 8;
  absl::Duration initial_backoff = absl::Milliseconds(200);
  absl::Duration max_backoff = absl::Seconds(10);
  double multiplier = 2;
  double jitter = 0.2;
  // Longest time a call waits for room in an overloaded server; such refusals do not count as
  // attempts.
  absl::Duration max_overload_wait = absl::Minutes(10);
};

struct ClientOptions {
  // Addresses by commas: "host:port", "[::1]:port", "unix:/path", "dns:///name:port", with http://
  // or https:// (TLS) before them or not. Loopback addresses never go through a proxy. Calls go to
  // the one with the fewest in flight, in turn among equals; a name of several addresses is used in
  // turn too.
  std::string servers;
  TlsOptions tls;
  // Sent as "authorization: Bearer TOKEN". Create() refuses it over plaintext to another machine
  // unless allow_token_over_plaintext.
  std::string token;
  bool allow_token_over_plaintext = false;
  RetryPolicy retry;
  // Pictures above this size go through UpscaleUpload or QueryUpload, in chunks: below gRPC's own
  // limit of a message, 4 MiB, which a server or proxy may have.
  int64_t upload_above_bytes = int64_t{3} << 20;
};

struct CallOptions {
  // For the whole call with its retries.
  absl::Duration timeout = absl::InfiniteDuration();
  // Longest wait for the next message of an answer, or for the server to take one of a request.
  // After it the server is given up as if it were gone (Unavailable, with retries). The first one
  // comes when the request's turn has come and the picture is decoded.
  absl::Duration stall_timeout = absl::InfiniteDuration();
  // A stop request ends the call with CANCELLED.
  std::stop_token stop;
  // Told before each wait for another attempt. May be empty.
  std::function<void(const absl::Status& error, absl::Duration wait)> on_retry;
};

}  // namespace hiif::client

#endif  // CLIENT_OPTIONS_H_
