// What every RPC has around it: authorisation, counting, logging, translation of the outcome.
#ifndef SERVER_RPC_HANDLER_H_
#define SERVER_RPC_HANDLER_H_

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "server/core/call.h"
#include "server/metrics/metrics.h"
#include "server/rpc/call_monitor.h"
#include "server/rpc/grpc_call.h"
#include "server/security/tokens.h"

namespace hiif::server {

struct HandlerOptions {
  const TokenFile* tokens = nullptr;  // nullptr: nobody is asked for a token
  int max_calls = 512;
};

// Any thread. Everything given outlives it.
class RpcHandler {
 public:
  RpcHandler(Metrics* metrics, CallMonitor* monitor, HandlerOptions options)
      : metrics_(metrics), monitor_(monitor), options_(options) {}

  using Body = std::function<absl::Status(GrpcCall* call, CallReport* report)>;

  // Runs one call. scope: what a token needs; empty: any token will do.
  grpc::Status Handle(grpc::ServerContext* context, const char* method, const char* scope,
                      const std::string& request_id, const Body& body);

  // Calls being handled now.
  int calls() const { return calls_; }

 private:
  absl::Status Authorize(const char* scope, GrpcCall* call) const;

  Metrics* const metrics_;
  CallMonitor* const monitor_;
  const HandlerOptions options_;
  std::atomic<int> calls_ = 0;
};

}  // namespace hiif::server

#endif  // SERVER_RPC_HANDLER_H_
