// Hands accepted connections over to gRPC.
#ifndef SERVER_FRONTS_GRPC_HAND_OVER_H_
#define SERVER_FRONTS_GRPC_HAND_OVER_H_

#include <memory>
#include <queue>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace hiif::server {

// gRPC's call returns once there is nothing to read: what arrives without a pause is read, and
// answered, by the calling thread, which holds a lock of that acceptor meanwhile. So there are
// several acceptors, each with a thread, and who sends without a pause keeps nobody waiting.
class HandOver {
 public:
  // Before the server starts.
  HandOver(int lanes, const std::shared_ptr<grpc::ServerCredentials>& credentials,
           grpc::ServerBuilder* builder);
  // After the server's end, which ends its connections.
  ~HandOver();

  // Returns at once. Any thread.
  void Give(int fd);
  // Connections that wait, and all that are given from now on, are closed: before the server's
  // shutdown, after which it would neither take nor close them.
  void End();

 private:
  using Connections = grpc::experimental::ExternalConnectionAcceptor;

  void Run(Connections* connections);

  absl::Mutex mutex_;
  std::queue<int> waiting_ ABSL_GUARDED_BY(mutex_);
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Connections>> acceptors_;
  std::vector<std::thread> threads_;  // one an acceptor
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_HAND_OVER_H_
