// A server without a model: streams made-up tiles of the size that was asked for, or, of an encoded
// output, as many chunks of a letter each, and fails the way a script says. For tests of clients.
#ifndef TESTS_TESTING_TILE_SERVER_H_
#define TESTS_TESTING_TILE_SERVER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "hiif/v1/super_resolution.grpc.pb.h"

namespace hiif::testing {

// How one call of Upscale goes.
struct Step {
  // Before anything is sent, or, with after_tiles >= 0, after so many tiles.
  grpc::Status fail = grpc::Status::OK;
  int64_t after_tiles = -1;
  std::string pushback_millis;  // trailer grpc-retry-pushback-ms; empty: none
  int64_t corrupt_tile = -1;    // its samples do not fit its checksum
  bool no_trailer = false;
  absl::Duration before_tile = absl::ZeroDuration();
  std::function<void(v1::UpscaleHeader*)> lie;  // changes the header; may be empty
};

// google.rpc.Status with a RetryInfo, as the trailer grpc-status-details-bin carries it.
grpc::Status WithRetryInfo(grpc::StatusCode code, const std::string& message, absl::Duration delay);

// The sample of channel c at (x, y) of the output.
uint8_t ExpectedSample(int64_t x, int64_t y, int c);

class TileServer final : public v1::SuperResolutionService::Service {
 public:
  // address: "127.0.0.1:0" or "unix:...". Messages of more than gRPC's default, 4 MiB, are refused.
  explicit TileServer(const std::string& address = "127.0.0.1:0");
  ~TileServer() override;

  // What clients connect to.
  std::string address() const;
  // One step a call, in order; calls after the last go well.
  void SetScript(std::vector<Step> script);
  // Differs between servers that cannot take over from one another.
  void SetWeights(const std::string& digest);
  void SetTileSize(int size);
  // Before every tile of every call.
  void SetTileDelay(absl::Duration delay);
  // Requests of Upscale and UpscaleUpload so far, without their images.
  std::vector<v1::UpscaleParameters> calls() const;
  std::vector<std::string> authorizations() const;
  int64_t tiles_sent() const;
  void Wait() { server_->Wait(); }

  grpc::Status Upscale(grpc::ServerContext* context, const v1::UpscaleRequest* request,
                       grpc::ServerWriter<v1::UpscaleResponse>* writer) override;
  grpc::Status UpscaleUpload(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::UpscaleResponse, v1::UpscaleUploadRequest>* stream) override;
  grpc::Status ListModels(grpc::ServerContext* context, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override;
  grpc::Status GetModel(grpc::ServerContext* context, const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override;

 private:
  template <typename Writer>
  grpc::Status Serve(grpc::ServerContext* context, const v1::ImageSource& image,
                     const v1::UpscaleParameters& parameters, Writer* writer);

  mutable absl::Mutex mutex_;
  std::deque<Step> script_ ABSL_GUARDED_BY(mutex_);
  std::string weights_ ABSL_GUARDED_BY(mutex_) = "w1";
  int tile_size_ ABSL_GUARDED_BY(mutex_) = 256;
  absl::Duration tile_delay_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  std::vector<v1::UpscaleParameters> calls_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> authorizations_ ABSL_GUARDED_BY(mutex_);
  int64_t tiles_sent_ ABSL_GUARDED_BY(mutex_) = 0;

  std::string address_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace hiif::testing

#endif  // TESTS_TESTING_TILE_SERVER_H_
