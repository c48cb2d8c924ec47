// One attempt of a call: its context, its deadline, its cancellation, and what its failure said.
// Internal to client/.
#ifndef CLIENT_ATTEMPT_H_
#define CLIENT_ATTEMPT_H_

#include <functional>
#include <memory>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/options.h"
#include "client/retry.h"
#include "client/server_pool.h"
#include "client/stall_watch.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"

namespace hiif::client {

absl::Status FromGrpc(const grpc::Status& status);

class Attempt {
 public:
  // deadline: by SteadyNow().
  Attempt(ServerPool* pool, const CallOptions& call, absl::Time deadline);

  const std::shared_ptr<grpc::Channel>& channel() const { return lease_->channel(); }
  grpc::ClientContext* context() { return &context_; }
  // For each wait for the server.
  StallWatch* watch() { return &watch_; }
  // After the call ended. The server is avoided for a while where it was its fault.
  Failure Failed(const grpc::Status& status);

 private:
  std::unique_ptr<ServerPool::Lease> lease_;
  grpc::ClientContext context_;
  std::stop_callback<std::function<void()>> stop_;
  const absl::Duration stall_timeout_;
  StallWatch watch_;
};

// Runs attempts until one succeeds or its failure is final. attempt returns nullopt for success;
// before every attempt but the first the wait was slept.
absl::Status RunAttempts(
    ServerPool* pool, const RetryPolicy& policy, const CallOptions& call,
    const std::function<std::optional<Failure>(Attempt&, RetryState&)>& attempt);

}  // namespace hiif::client

#endif  // CLIENT_ATTEMPT_H_
