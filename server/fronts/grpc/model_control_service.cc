#include "server/fronts/grpc/model_control_service.h"

#include "base/status_macros.h"
#include "server/models/model_messages.h"
#include "server/security/tokens.h"

namespace hiif::server {

grpc::Status ModelControlServiceImpl::LoadModel(grpc::ServerContext* context,
                                                const v1::LoadModelRequest* request,
                                                v1::LoadModelResponse* response) {
  return handler_->Handle(
      context, "LoadModel", kScopeModels, {}, [&](GrpcCall* call, CallReport*) -> absl::Status {
        HIIF_RETURN_IF_ERROR(registry_->Load(request->name(), [call] { return call->Alive(); }));
        HIIF_ASSIGN_OR_RETURN(const ModelStatus status, registry_->Get(request->name()));
        *response->mutable_model() = ToProto(status);
        return absl::OkStatus();
      });
}

grpc::Status ModelControlServiceImpl::UnloadModel(grpc::ServerContext* context,
                                                  const v1::UnloadModelRequest* request,
                                                  v1::UnloadModelResponse*) {
  return handler_->Handle(
      context, "UnloadModel", kScopeModels, {}, [&](GrpcCall* call, CallReport*) {
        return registry_->Unload(request->name(), [call] { return call->Alive(); });
      });
}

}  // namespace hiif::server
