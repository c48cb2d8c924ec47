#include "server/rpc/super_resolution_service.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "server/core/errors.h"
#include "server/rpc/grpc_stream.h"
#include "server/rpc/model_messages.h"
#include "server/security/tokens.h"

namespace hiif::server {

template <typename Request>
absl::StatusOr<v1::ImageSource> SuperResolutionServiceImpl::ReadImage(
    const std::function<bool(Request*)>& read, const GrpcCall& call) {
  v1::ImageSource image;
  std::string bytes;
  int64_t counted = 0;
  const auto release = absl::MakeCleanup([&] { uploading_ -= counted; });
  Request message;
  for (bool first = true; read(&message); first = false) {
    if (message.has_raw() && first) {
      if (!message.raw().samples().empty())
        return InvalidField("raw.samples", "must be empty: the samples come in the chunks");
      *image.mutable_raw() = std::move(*message.mutable_raw());
      continue;
    }
    if (message.chunk().empty())
      return InvalidField("chunk",
                          "after the first message, or the shape of raw pixels behind it, each "
                          "must bring bytes of the picture");
    const auto more = static_cast<int64_t>(message.chunk().size());
    if (counted + more > max_upload_bytes_)
      return InvalidField("chunk",
                          absl::StrFormat("the picture is larger than this server's limit of %d "
                                          "bytes (--max-upload-bytes)",
                                          max_upload_bytes_));
    if (uploading_ + more > upload_memory_)
      return ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonMemory,
                             "too many files are being uploaded at once", absl::Seconds(1));
    bytes += message.chunk();
    uploading_ += more;
    counted += more;
  }
  // The end of the stream and its breaking look the same to Read().
  HIIF_RETURN_IF_ERROR(call.Alive());
  (image.has_raw() ? *image.mutable_raw()->mutable_samples() : *image.mutable_encoded()) =
      std::move(bytes);
  return image;
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
        HIIF_ASSIGN_OR_RETURN(
            const v1::ImageSource image,
            ReadImage<v1::UpscaleUploadRequest>(
                [stream](v1::UpscaleUploadRequest* part) { return stream->Read(part); }, *call));
        GrpcStream responses(
            call, [stream](const v1::UpscaleResponse& response) { return stream->Write(response); },
            metrics_);
        if (image.has_raw()) return upscaling_->Run(image, parameters, call, &responses, report);
        return upscaling_->RunFile(image.encoded(), "chunk", parameters, call, &responses, report);
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

grpc::Status SuperResolutionServiceImpl::QueryUpload(
    grpc::ServerContext* context, grpc::ServerReader<v1::QueryUploadRequest>* reader,
    v1::QueryResponse* response) {
  v1::QueryUploadRequest first;
  const bool any = reader->Read(&first);
  v1::QueryRequest query = first.query();
  return handler_->Handle(
      context, "QueryUpload", kScopeQuery, query.request_id(),
      [&](GrpcCall* call, CallReport* report) -> absl::Status {
        if (!any || !first.has_query() || query.has_image())
          return InvalidField("query", "the first message must be the query, without an image");
        HIIF_ASSIGN_OR_RETURN(
            *query.mutable_image(),
            ReadImage<v1::QueryUploadRequest>(
                [reader](v1::QueryUploadRequest* part) { return reader->Read(part); }, *call));
        return querying_->Run(query, call, response, report);
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
