// What belongs to a synchronous call lives until its answer is sent: gRPC sends it behind the
// handler's back, as slowly as the client takes it.
#ifndef SERVER_FRONTS_GRPC_ANSWERS_H_
#define SERVER_FRONTS_GRPC_ANSWERS_H_

#include <memory>

#include "grpcpp/server_context.h"
#include "server/fronts/grpc/grpc_call.h"

namespace hiif::server {

// Once in a process, before its first server is built.
void FollowAnswers();

// From the call's handler, as the last thing: keeps the call, which its monitor goes on to watch,
// until gRPC has sent the answer or given it up.
void KeepUntilSent(grpc::ServerContext* context, std::unique_ptr<GrpcCall> call);

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_ANSWERS_H_
