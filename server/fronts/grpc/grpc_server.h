// The gRPC server itself: addresses, limits of connections, services, and its end.
#ifndef SERVER_FRONTS_GRPC_GRPC_SERVER_H_
#define SERVER_FRONTS_GRPC_GRPC_SERVER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server.h"
#include "server/config/config.h"
#include "server/fronts/acceptor.h"
#include "server/fronts/grpc/hand_over.h"
#include "server/fronts/grpc/tls.h"

namespace hiif::server {

class GrpcServer {
 public:
  // buffer_bytes: of what gRPC holds for all connections, unfinished messages above all; beyond
  // them it reads slower and ends streams. Errors: FailedPrecondition when an address cannot be
  // listened on; those of ReadTlsFiles.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const ServerConfig& config, int64_t buffer_bytes,
      const std::vector<grpc::Service*>& services);
  ~GrpcServer();

  // Of the first TCP address; 0: there is none.
  int port() const { return first_.port; }
  // The first TCP address, or else the first unix socket.
  const Address& first() const { return first_; }
  // Where its connections come in; once. The addresses listen already.
  std::vector<Acceptor::Door> TakeDoors() { return std::exchange(doors_, {}); }
  // Takes a connection of this process itself, in clear text and beside all limits. Any thread.
  void Give(int fd) { own_->Give(fd); }
  // grpc.health.v1; "" is the whole server. Names never set: NOT_FOUND.
  void SetHealth(const std::string& service, bool serving);

  // Sends GOAWAY, takes no new calls, and returns; calls in flight go on. Its doors are closed by
  // then.
  void BeginShutdown();
  // Waits until no handler runs; what runs beyond the grace, and health watches in any case, are
  // cancelled.
  void EndShutdown(absl::Duration grace);

 private:
  GrpcServer() = default;
  std::unique_ptr<ServerTls> tls_;  // outlives what has its credentials
  std::vector<std::unique_ptr<HandOver>> connections_;
  std::unique_ptr<HandOver> own_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<Acceptor::Door> doors_;  // that nobody has taken
  Address first_;
  struct Ending;
  std::unique_ptr<Ending> ending_;
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_GRPC_SERVER_H_
