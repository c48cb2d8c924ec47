// The only place where an absl::Status becomes a grpc::Status.
#ifndef SERVER_FRONTS_GRPC_STATUS_TRANSLATOR_H_
#define SERVER_FRONTS_GRPC_STATUS_TRANSLATOR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"

namespace hiif::server {

// Code and message as they are (the codes of both are the same numbers); the payloads become the
// details of a google.rpc.Status, which grpc-status-details-bin carries.
grpc::Status ToGrpcStatus(const absl::Status& status);

// Value of the trailer grpc-retry-pushback-ms: from the RetryInfo, or nullopt.
std::optional<std::string> PushbackMilliseconds(const absl::Status& status);

// Both, the trailer put into the context. To be called once, at the end of a handler.
grpc::Status Finish(const absl::Status& status, grpc::ServerContextBase* context);

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_STATUS_TRANSLATOR_H_
