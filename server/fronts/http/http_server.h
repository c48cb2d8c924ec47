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
#include "server/fronts/acceptor.h"
#include "server/fronts/http/exchange.h"
#include "server/fronts/http/session_limits.h"
#include "server/fronts/tls_files.h"

namespace hiif::server::http {

struct HttpServerOptions {
  std::vector<std::string> listen;  // host:port
  int max_connections = 1000;       // above it, one that waits for a request makes room
  int max_calls = 512;              // threads
  SessionLimits limits;
  absl::Duration keepalive;  // silence after which a connection is probed
  TlsFiles tls;
};

HttpServerOptions HttpOptionsOf(const ServerConfig& config);

// One thread for all connections, and one for each upscale while it is answered.
class HttpServer {
 public:
  // bodies: of those that are not complete. It and handler outlive the server. on_refused: as the
  // acceptor's, for connections above max_connections; on the I/O thread. Errors:
  // FailedPrecondition when an address cannot be listened on; InvalidArgument: the PEM files.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                           ByteBudget* bodies, Handler* handler,
                                                           Acceptor::OnRefused on_refused);
  // Ends everything at once.
  ~HttpServer();

  int port() const;  // of the first address
  // Where its connections come in; once. The addresses listen already.
  std::vector<Acceptor::Door> TakeDoors();
  // Requests that were accepted and are not answered, those whose body still comes included.
  int active() const;
  // Its doors are closed by then. Closes the connections that wait; requests under way go on, and
  // their connections close behind the answer.
  void BeginShutdown();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_HTTP_SERVER_H_
