#include "server/fronts/grpc/super_resolution_service.h"

#include "base/status_macros.h"
#include "server/fronts/grpc/grpc_stream.h"
#include "server/models/model_messages.h"
#include "server/security/tokens.h"

namespace hiif::server {

grpc::Status SuperResolutionServiceImpl::Upscale(grpc::ServerContext* context,
                                                 const v1::UpscaleRequest* request,
                                                 grpc::ServerWriter<v1::UpscaleResponse>* writer) {
  return handler_->Handle(
      context, "Upscale", kScopeUpscale,
      {"parameters.request_id", request->parameters().request_id()},
      [&](GrpcCall* call, CallReport* report) {
        GrpcStream stream(
            call, [writer](const v1::UpscaleResponse& message) { return writer->Write(message); },
            metrics_);
        HIIF_ASSIGN_OR_RETURN(const UpscaleOrder order, UpscaleOrder::Parse(request->parameters()));
        return upscaling_->Run(request->image(), order, call, &stream, report);
      });
}

grpc::ServerBidiReactor<v1::UpscaleUploadRequest, v1::UpscaleResponse>*
SuperResolutionServiceImpl::UpscaleUpload(grpc::CallbackServerContext* context) {
  return StartUpscaleUpload(upload_, context);
}

grpc::Status SuperResolutionServiceImpl::Query(grpc::ServerContext* context,
                                               const v1::QueryRequest* request,
                                               v1::QueryResponse* response) {
  return handler_->Handle(context, "Query", kScopeQuery, {"request_id", request->request_id()},
                          [&](GrpcCall* call, CallReport* report) {
                            HIIF_RETURN_IF_ERROR(querying_->Run(*request, call, response, report));
                            call->BeginAnswer(static_cast<int64_t>(response->ByteSizeLong()));
                            return absl::OkStatus();
                          });
}

grpc::ServerReadReactor<v1::QueryUploadRequest>* SuperResolutionServiceImpl::QueryUpload(
    grpc::CallbackServerContext* context, v1::QueryResponse* response) {
  return StartQueryUpload(upload_, context, response);
}

grpc::Status SuperResolutionServiceImpl::ListModels(grpc::ServerContext* context,
                                                    const v1::ListModelsRequest* request,
                                                    v1::ListModelsResponse* response) {
  return handler_->Handle(context, "ListModels", "", {},
                          [&](GrpcCall*, CallReport*) -> absl::Status {
                            HIIF_ASSIGN_OR_RETURN(*response, ListPage(*registry_, *request));
                            return absl::OkStatus();
                          });
}

grpc::Status SuperResolutionServiceImpl::GetModel(grpc::ServerContext* context,
                                                  const v1::GetModelRequest* request,
                                                  v1::GetModelResponse* response) {
  return handler_->Handle(context, "GetModel", "", {}, [&](GrpcCall*, CallReport*) -> absl::Status {
    HIIF_ASSIGN_OR_RETURN(const ModelStatus status, registry_->Get(request->name()));
    *response->mutable_model() = ToProto(status);
    return absl::OkStatus();
  });
}

}  // namespace hiif::server
