// UpscaleUpload and QueryUpload: a picture in chunks, then as Upscale and Query.
//
// The chunks are taken by gRPC's callbacks: a stream that sends nothing holds no thread. In order:
// authorisation from the metadata, then the parameters, then the picture, each within its time and
// bytes; a thread only when all of it is here.
#ifndef SERVER_FRONTS_GRPC_UPLOAD_H_
#define SERVER_FRONTS_GRPC_UPLOAD_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"
#include "hiif/v1/super_resolution.pb.h"
#include "server/core/byte_budget.h"
#include "server/core/querying.h"
#include "server/core/upscaling.h"
#include "server/fronts/call_threads.h"
#include "server/fronts/grpc/handler.h"

namespace hiif::server {

struct UploadLimits {
  int64_t max_file_bytes = 0;
  int64_t max_query_coordinates = 0;
  // For the first message; for the next part of the file afterwards (0: for ever).
  absl::Duration first_message = absl::Seconds(5);
  absl::Duration read_timeout;
};

// What every upload needs. Outlives them all.
struct UploadEnvironment {
  RpcHandler* handler = nullptr;
  const Upscaling* upscaling = nullptr;
  const Querying* querying = nullptr;
  Metrics* metrics = nullptr;
  CallThreads* threads = nullptr;
  UploadLimits limits;
  ByteBudget* incomplete = nullptr;  // bytes of uploads that are not complete
  std::atomic<int> reading = 0;      // streams whose file is not complete
};

// Both delete themselves when the call is over.
grpc::ServerBidiReactor<v1::UpscaleUploadRequest, v1::UpscaleResponse>* StartUpscaleUpload(
    UploadEnvironment* environment, grpc::CallbackServerContext* context);
grpc::ServerReadReactor<v1::QueryUploadRequest>* StartQueryUpload(
    UploadEnvironment* environment, grpc::CallbackServerContext* context,
    v1::QueryResponse* response);

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_UPLOAD_H_
