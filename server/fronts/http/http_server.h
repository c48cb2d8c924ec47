// The HTTP front itself: addresses, connections and their limits, its end.
#ifndef SERVER_FRONTS_HTTP_HTTP_SERVER_H_
#define SERVER_FRONTS_HTTP_HTTP_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/config/config.h"
#include "server/core/byte_budget.h"
#include "server/fronts/http/exchange.h"

namespace hiif::server::http {

struct HttpServerOptions {
  std::vector<std::string> listen;  // host:port
  int max_connections = 1000;       // above it, one that waits for a request makes room
  absl::Duration handshake;         // for TLS, and for the head of a request
  absl::Duration idle;              // between requests
  absl::Duration write;             // a piece of an answer that is not taken for so long; 0: never
  absl::Duration keepalive;         // silence after which a connection is probed
  std::string tls_certificate;      // PEM files; empty: clear text
  std::string tls_key;
  std::string tls_client_ca;
  absl::Duration tls_reload;
};

HttpServerOptions HttpOptionsOf(const ServerConfig& config);

// One thread for all connections, and one for each request while it is answered.
class HttpServer {
 public:
  // bodies: of those that are not complete. It and handler outlive the server. Errors:
  // FailedPrecondition when an address cannot be listened on; InvalidArgument: the PEM files.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                           ByteBudget* bodies, Handler* handler);
  // Ends everything at once.
  ~HttpServer();

  int port() const;  // of the first address
  // Requests that were accepted and are not answered, those whose body still comes included.
  int active() const;
  // Closes the addresses and the connections that wait; requests under way go on, and their
  // connections close behind the answer.
  void BeginShutdown();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_HTTP_SERVER_H_
