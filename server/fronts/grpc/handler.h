// The core's CallHandler around a gRPC call, and the translation of its outcome.
#ifndef SERVER_FRONTS_GRPC_HANDLER_H_
#define SERVER_FRONTS_GRPC_HANDLER_H_

#include <functional>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "server/core/call.h"
#include "server/core/call_handler.h"
#include "server/fronts/grpc/call_monitor.h"
#include "server/fronts/grpc/grpc_call.h"

namespace hiif::server {

// What a call says its id is. field: its path in the request, for errors; asked: may be empty.
struct AskedRequestId {
  absl::string_view field;
  absl::string_view asked;
};

// Any thread. Everything given outlives it.
class RpcHandler {
 public:
  // front: of its calls, as CallName has it.
  RpcHandler(CallHandler* calls, CallMonitor* monitor, const char* front = "grpc")
      : calls_(calls), monitor_(monitor), front_(front) {}

  using Body = std::function<absl::Status(GrpcCall* call, CallReport* report)>;

  // Runs one call on this thread. scope: what a token needs; empty: any token will do.
  grpc::Status Handle(grpc::ServerContext* context, const char* method, const char* scope,
                      const AskedRequestId& id, const Body& body);

  // Runs a health check: without a token, a slot and a line in the log. ResourceExhausted where too
  // many of them, each of which holds a thread, wait for their clients, or for this one.
  grpc::Status HandleHealth(grpc::ServerContext* context, const std::function<void()>& body);

  // Counts, records and logs one of a stream's requests as a call of its own.
  void FinishRequest(const char* method, const GrpcCall& call, const CallReport& report,
                     const absl::Status& status) const;

  // The same in steps, for a call that is read before it runs.
  CallMonitor* monitor() const { return monitor_; }
  // From the metadata alone, so that nothing is read for strangers. Names the caller.
  absl::Status Authorize(const char* scope, GrpcCall* call) const;
  // Counts, names, runs and logs the call. so_far: an error ends it before the body. Where the
  // result is sent is the caller's business.
  grpc::Status Run(grpc::ServerContextBase* context, const char* method, GrpcCall* call,
                   const AskedRequestId& id, absl::Status so_far, const Body& body);

 private:
  static constexpr int kMostHealth = 16;
  static constexpr int kMostHealthOfPeer = 4;
  // In which an answer must be taken: it is a few bytes, and others wait for its place.
  static constexpr absl::Duration kHealthTime = absl::Seconds(2);

  // False: there is no room.
  bool EnterHealth(const std::string& peer);
  void LeaveHealth(const std::string& peer);

  CallHandler* const calls_;
  CallMonitor* const monitor_;
  const char* const front_;
  absl::Mutex mutex_;
  // Health checks whose answers are not sent; of each peer.
  int health_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, int> health_of_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_HANDLER_H_
