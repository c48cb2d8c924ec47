// What gRPC and protobuf say of themselves.
#ifndef SERVER_FRONTS_GRPC_GRPC_LOG_H_
#define SERVER_FRONTS_GRPC_GRPC_LOG_H_

namespace hiif::server {

// Once, before a server starts: errors of gRPC and protobuf become warnings of the log (most are
// what a client did), in the log's format. Without effect from gRPC 1.65 and protobuf 22 on, which
// log through Abseil.
void TakeGrpcLog();

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_GRPC_LOG_H_
