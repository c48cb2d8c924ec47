// Messages of an Upscale to a gRPC stream.
#ifndef SERVER_FRONTS_GRPC_GRPC_STREAM_H_
#define SERVER_FRONTS_GRPC_GRPC_STREAM_H_

#include <functional>
#include <utility>

#include "absl/time/time.h"
#include "hiif/v1/super_resolution.pb.h"
#include "server/core/call.h"
#include "server/fronts/grpc/grpc_call.h"
#include "server/metrics/metrics.h"

namespace hiif::server {

// Write() blocks while the client's flow-control window is full; the call's monitor ends what takes
// too long.
class GrpcStream : public UpscaleStream {
 public:
  // Writes one message; false: the call is over.
  using Send = std::function<bool(const v1::UpscaleResponse&)>;

  GrpcStream(GrpcCall* call, Send send, Metrics* metrics)
      : call_(call), send_(std::move(send)), metrics_(metrics) {}

  absl::Status Write(const v1::UpscaleResponse& response) override {
    call_->BeginWrite();
    const bool written = send_(response);
    const absl::Duration took = call_->EndWrite();
    // Serialising and handing over a message takes less than this; what takes longer waited for the
    // client.
    if (took > absl::Milliseconds(5)) metrics_->Backpressure(took);
    if (written) return absl::OkStatus();
    const absl::Status alive = call_->Alive();
    return alive.ok() ? absl::CancelledError("the client is gone") : alive;
  }

 private:
  GrpcCall* const call_;
  const Send send_;
  Metrics* const metrics_;
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_GRPC_STREAM_H_
