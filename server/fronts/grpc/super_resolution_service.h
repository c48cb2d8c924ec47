// hiif.v1.SuperResolutionService: thin adapters of the core to gRPC.
#ifndef SERVER_FRONTS_GRPC_SUPER_RESOLUTION_SERVICE_H_
#define SERVER_FRONTS_GRPC_SUPER_RESOLUTION_SERVICE_H_

#include "hiif/v1/super_resolution.grpc.pb.h"
#include "server/core/querying.h"
#include "server/core/upscaling.h"
#include "server/fronts/grpc/handler.h"
#include "server/fronts/grpc/upload.h"
#include "server/models/registry.h"

namespace hiif::server {

class SuperResolutionServiceImpl final
    : public v1::SuperResolutionService::WithCallbackMethod_UpscaleUpload<
          v1::SuperResolutionService::WithCallbackMethod_QueryUpload<
              v1::SuperResolutionService::Service>> {
 public:
  // Everything given outlives the service.
  SuperResolutionServiceImpl(RpcHandler* handler, const Upscaling* upscaling,
                             const Querying* querying, const ModelRegistry* registry,
                             Metrics* metrics, UploadEnvironment* upload)
      : handler_(handler),
        upscaling_(upscaling),
        querying_(querying),
        registry_(registry),
        metrics_(metrics),
        upload_(upload) {}

  grpc::Status Upscale(grpc::ServerContext* context, const v1::UpscaleRequest* request,
                       grpc::ServerWriter<v1::UpscaleResponse>* writer) override;
  grpc::ServerBidiReactor<v1::UpscaleUploadRequest, v1::UpscaleResponse>* UpscaleUpload(
      grpc::CallbackServerContext* context) override;
  grpc::Status Query(grpc::ServerContext* context, const v1::QueryRequest* request,
                     v1::QueryResponse* response) override;
  grpc::ServerReadReactor<v1::QueryUploadRequest>* QueryUpload(
      grpc::CallbackServerContext* context, v1::QueryResponse* response) override;
  grpc::Status ListModels(grpc::ServerContext* context, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override;
  grpc::Status GetModel(grpc::ServerContext* context, const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override;

 private:
  RpcHandler* const handler_;
  const Upscaling* const upscaling_;
  const Querying* const querying_;
  const ModelRegistry* const registry_;
  Metrics* const metrics_;
  UploadEnvironment* const upload_;
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_SUPER_RESOLUTION_SERVICE_H_
