#include "server/rpc/super_resolution_service.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "server/core/errors.h"
#include "server/rpc/grpc_stream.h"
#include "server/rpc/model_messages.h"
#include "server/security/tokens.h"

namespace hiif::server {

absl::StatusOr<std::string> SuperResolutionServiceImpl::ReadFile(
    grpc::ServerReaderWriter<v1::UpscaleResponse, v1::UpscaleUploadRequest>* stream,
    const GrpcCall& call) {
  std::string file;
  int64_t counted = 0;
  const auto release = absl::MakeCleanup([&] { uploading_ -= counted; });
  v1::UpscaleUploadRequest message;
  while (stream->Read(&message)) {
    if (message.part_case() != v1::UpscaleUploadRequest::kChunk || message.chunk().empty())
      return InvalidField("chunk", "after the first message, each must bring bytes of the file");
    const auto bytes = static_cast<int64_t>(message.chunk().size());
    if (static_cast<int64_t>(file.size()) + bytes > max_upload_bytes_)
      return InvalidField("chunk",
                          absl::StrFormat("the file is larger than this server's limit of %d bytes "
                                          "(--max-upload-bytes)",
                                          max_upload_bytes_));
    if (uploading_ + bytes > upload_memory_)
      return ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonMemory,
                             "too many files are being uploaded at once", absl::Seconds(1));
    file += message.chunk();
    uploading_ += bytes;
    counted += bytes;
  }
  // The end of the stream and its breaking look the same to Read().
  HIIF_RETURN_IF_ERROR(call.Alive());
  return file;
}

grpc::Status SuperResolutionServiceImpl::Upscale(grpc::ServerContext* context,
                                                 const v1::UpscaleRequest* request,
                                                 grpc::ServerWriter<v1::UpscaleResponse>* writer) {
  return handler_->Handle(
      context, "Upscale", kScopeUpscale, request->parameters().request_id(),
      [&](GrpcCall* call, CallReport* report) {
        GrpcStream stream(
            call, [writer](const v1::UpscaleResponse& message) { return writer->Write(message); },
            metrics_);
        return upscaling_->Run(request->image(), request->parameters(), call, &stream, report);
      });
}

grpc::Status SuperResolutionServiceImpl::UpscaleUpload(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::UpscaleResponse, v1::UpscaleUploadRequest>* stream) {
  // The first message is read before the call is announced: the request id is in it.
  v1::UpscaleUploadRequest message;
  const bool any = stream->Read(&message);
  const v1::UpscaleParameters parameters = message.parameters();
  return handler_->Handle(
      context, "UpscaleUpload", kScopeUpscale, parameters.request_id(),
      [&](GrpcCall* call, CallReport* report) -> absl::Status {
        if (!any || !message.has_parameters())
          return InvalidField("parameters", "the first message must be the parameters");
        HIIF_RETURN_IF_ERROR(CheckParameters(parameters));
        HIIF_ASSIGN_OR_RETURN(const std::string file, ReadFile(stream, *call));
        GrpcStream responses(
            call, [stream](const v1::UpscaleResponse& response) { return stream->Write(response); },
            metrics_);
        return upscaling_->RunFile(file, "chunk", parameters, call, &responses, report);
      });
}

grpc::Status SuperResolutionServiceImpl::Query(grpc::ServerContext* context,
                                               const v1::QueryRequest* request,
                                               v1::QueryResponse* response) {
  return handler_->Handle(context, "Query", kScopeQuery, request->request_id(),
                          [&](GrpcCall* call, CallReport* report) {
                            return querying_->Run(*request, call, response, report);
                          });
}

grpc::Status SuperResolutionServiceImpl::ListModels(grpc::ServerContext* context,
                                                    const v1::ListModelsRequest* request,
                                                    v1::ListModelsResponse* response) {
  return handler_->Handle(context, "ListModels", "", "",
                          [&](GrpcCall*, CallReport*) -> absl::Status {
                            HIIF_ASSIGN_OR_RETURN(*response, ListPage(*registry_, *request));
                            return absl::OkStatus();
                          });
}

grpc::Status SuperResolutionServiceImpl::GetModel(grpc::ServerContext* context,
                                                  const v1::GetModelRequest* request,
                                                  v1::GetModelResponse* response) {
  return handler_->Handle(context, "GetModel", "", "", [&](GrpcCall*, CallReport*) -> absl::Status {
    HIIF_ASSIGN_OR_RETURN(const ModelStatus status, registry_->Get(request->name()));
    *response->mutable_model() = ToProto(status);
    return absl::OkStatus();
  });
}

}  // namespace hiif::server
