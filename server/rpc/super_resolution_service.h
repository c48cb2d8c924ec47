// hiif.v1.SuperResolutionService: thin adapters of the core to gRPC's synchronous API.
#ifndef SERVER_RPC_SUPER_RESOLUTION_SERVICE_H_
#define SERVER_RPC_SUPER_RESOLUTION_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "hiif/v1/super_resolution.grpc.pb.h"
#include "server/core/querying.h"
#include "server/core/upscaling.h"
#include "server/models/registry.h"
#include "server/rpc/handler.h"

namespace hiif::server {

class SuperResolutionServiceImpl final : public v1::SuperResolutionService::Service {
 public:
  // Everything given outlives the service.
  // max_upload_bytes: of a picture that comes in chunks; upload_memory: of all of them together,
  // until they are complete and the scheduler counts them.
  SuperResolutionServiceImpl(RpcHandler* handler, const Upscaling* upscaling,
                             const Querying* querying, const ModelRegistry* registry,
                             Metrics* metrics, int64_t max_upload_bytes, int64_t upload_memory)
      : handler_(handler),
        upscaling_(upscaling),
        querying_(querying),
        registry_(registry),
        metrics_(metrics),
        max_upload_bytes_(max_upload_bytes),
        upload_memory_(upload_memory) {}

  grpc::Status Upscale(grpc::ServerContext* context, const v1::UpscaleRequest* request,
                       grpc::ServerWriter<v1::UpscaleResponse>* writer) override;
  grpc::Status UpscaleUpload(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::UpscaleResponse, v1::UpscaleUploadRequest>* stream) override;
  grpc::Status Query(grpc::ServerContext* context, const v1::QueryRequest* request,
                     v1::QueryResponse* response) override;
  grpc::Status QueryUpload(grpc::ServerContext* context,
                           grpc::ServerReader<v1::QueryUploadRequest>* reader,
                           v1::QueryResponse* response) override;
  grpc::Status ListModels(grpc::ServerContext* context, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override;
  grpc::Status GetModel(grpc::ServerContext* context, const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override;

 private:
  // The messages behind the first one, put together: a file, or raw pixels.
  // Request: UpscaleUploadRequest or QueryUploadRequest, which `read` reads.
  template <typename Request>
  absl::StatusOr<v1::ImageSource> ReadImage(const std::function<bool(Request*)>& read,
                                            const GrpcCall& call);

  RpcHandler* const handler_;
  const Upscaling* const upscaling_;
  const Querying* const querying_;
  const ModelRegistry* const registry_;
  Metrics* const metrics_;
  const int64_t max_upload_bytes_;
  const int64_t upload_memory_;
  std::atomic<int64_t> uploading_ = 0;  // bytes of pictures that are not complete
};

}  // namespace hiif::server

#endif  // SERVER_RPC_SUPER_RESOLUTION_SERVICE_H_
