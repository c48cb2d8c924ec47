// hiif.v1.ModelControlService: models loaded and unloaded while serving.
#ifndef SERVER_FRONTS_GRPC_MODEL_CONTROL_SERVICE_H_
#define SERVER_FRONTS_GRPC_MODEL_CONTROL_SERVICE_H_

#include "hiif/v1/super_resolution.grpc.pb.h"
#include "server/fronts/grpc/handler.h"
#include "server/models/registry.h"

namespace hiif::server {

class ModelControlServiceImpl final : public v1::ModelControlService::Service {
 public:
  // Everything given outlives the service.
  ModelControlServiceImpl(RpcHandler* handler, ModelRegistry* registry)
      : handler_(handler), registry_(registry) {}

  grpc::Status LoadModel(grpc::ServerContext* context, const v1::LoadModelRequest* request,
                         v1::LoadModelResponse* response) override;
  grpc::Status UnloadModel(grpc::ServerContext* context, const v1::UnloadModelRequest* request,
                           v1::UnloadModelResponse* response) override;

 private:
  RpcHandler* const handler_;
  ModelRegistry* const registry_;
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_MODEL_CONTROL_SERVICE_H_
