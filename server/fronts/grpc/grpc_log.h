// What gRPC and protobuf say of themselves.
#ifndef SERVER_FRONTS_GRPC_GRPC_LOG_H_
#define SERVER_FRONTS_GRPC_GRPC_LOG_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace hiif::server {

// Lines that others cause are bounded: so many a second, and how many were left out. Any thread.
class LineBudget {
 public:
  static constexpr int64_t kPerSecond = 10;

  // Whether a line may be written now. left_out: of the seconds before, told with the first line
  // of a second.
  bool Take(absl::Time now, int64_t* left_out);

 private:
  std::atomic<int64_t> second_ = 0;
  std::atomic<int64_t> lines_ = 0;
};

// Once, before a server starts: errors of gRPC and protobuf become warnings of the log (most are
// what a client did), in the log's format. Without effect from gRPC 1.65 and protobuf 22 on, which
// log through Abseil.
void TakeGrpcLog();

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_GRPC_LOG_H_
