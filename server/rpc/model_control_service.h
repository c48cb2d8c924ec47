// hiif.v1.ModelControlService: models loaded and unloaded while serving.
#ifndef SERVER_RPC_MODEL_CONTROL_SERVICE_H_
#define SERVER_RPC_MODEL_CONTROL_SERVICE_H_

#include "hiif/v1/super_resolution.grpc.pb.h"
#include "server/models/registry.h"
#include "server/rpc/handler.h"

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

#endif  // SERVER_RPC_MODEL_CONTROL_SERVICE_H_
