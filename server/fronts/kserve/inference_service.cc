#include "server/fronts/kserve/inference_service.h"

#include <algorithm>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "base/text.h"
#include "server/config/version.h"
#include "server/core/order.h"
#include "server/core/request_id.h"
#include "server/errors/errors.h"
#include "server/fronts/grpc/status_translator.h"
#include "server/fronts/kserve/descriptions.h"
#include "server/fronts/kserve/infer_parameters.h"
#include "server/fronts/kserve/tensors.h"
#include "server/security/tokens.h"

namespace hiif::server::kserve {
namespace {

constexpr const char* kExtensions[] = {"model_configuration", "model_repository", "schedule_policy",
                                       "statistics"};

absl::Status NotEnabled() {
  return absl::UnimplementedError(
      "models are loaded and unloaded only where the server runs with --enable-model-control");
}

}  // namespace

absl::StatusOr<ModelStatus> InferenceServiceImpl::Model(const std::string& name,
                                                        const std::string& version) const {
  HIIF_ASSIGN_OR_RETURN(ModelStatus model, environment_.registry->Get(name));
  const std::string served = VersionNumber(model.facts.version);
  if (!version.empty() && version != served)
    return ErrorWithReason(
        absl::StatusCode::kNotFound, kReasonModelUnknown,
        absl::StrCat("model \"", model.name, "\" has version ", served, ", not \"",
                     Shorten(version, 64), "\"; without a version, what is there is served"));
  return model;
}

grpc::Status InferenceServiceImpl::ServerLive(grpc::ServerContext* context,
                                              const inference::ServerLiveRequest*,
                                              inference::ServerLiveResponse* response) {
  return environment_.handler->HandleHealth(context, [&] { response->set_live(true); });
}

grpc::Status InferenceServiceImpl::ServerReady(grpc::ServerContext* context,
                                               const inference::ServerReadyRequest*,
                                               inference::ServerReadyResponse* response) {
  return environment_.handler->HandleHealth(context,
                                            [&] { response->set_ready(environment_.ready()); });
}

grpc::Status InferenceServiceImpl::ModelReady(grpc::ServerContext* context,
                                              const inference::ModelReadyRequest* request,
                                              inference::ModelReadyResponse* response) {
  return environment_.handler->HandleHealth(context, [&] {
    const auto model = Model(request->name(), request->version());
    response->set_ready(model.ok() && CanServe(model->state));
  });
}

grpc::Status InferenceServiceImpl::ServerMetadata(grpc::ServerContext* context,
                                                  const inference::ServerMetadataRequest*,
                                                  inference::ServerMetadataResponse* response) {
  return environment_.handler->Handle(context, "ServerMetadata", "", {},
                                      [&](GrpcCall*, CallReport*) {
                                        response->set_name("hiif-server");
                                        response->set_version(kVersion);
                                        for (const char* extension : kExtensions)
                                          response->add_extensions(extension);
                                        return absl::OkStatus();
                                      });
}

grpc::Status InferenceServiceImpl::ModelMetadata(grpc::ServerContext* context,
                                                 const inference::ModelMetadataRequest* request,
                                                 inference::ModelMetadataResponse* response) {
  return environment_.handler->Handle(
      context, "ModelMetadata", "", {}, [&](GrpcCall*, CallReport*) -> absl::Status {
        HIIF_ASSIGN_OR_RETURN(const ModelStatus model, Model(request->name(), request->version()));
        Describe(model, response);
        return absl::OkStatus();
      });
}

grpc::Status InferenceServiceImpl::ModelConfig(grpc::ServerContext* context,
                                               const inference::ModelConfigRequest* request,
                                               inference::ModelConfigResponse* response) {
  return environment_.handler->Handle(
      context, "ModelConfig", "", {}, [&](GrpcCall*, CallReport*) -> absl::Status {
        HIIF_ASSIGN_OR_RETURN(const ModelStatus model, Model(request->name(), request->version()));
        Describe(model, response->mutable_config());
        return absl::OkStatus();
      });
}

grpc::Status InferenceServiceImpl::ModelStatistics(grpc::ServerContext* context,
                                                   const inference::ModelStatisticsRequest* request,
                                                   inference::ModelStatisticsResponse* response) {
  return environment_.handler->Handle(
      context, "ModelStatistics", "", {}, [&](GrpcCall*, CallReport*) -> absl::Status {
        if (!request->name().empty()) {
          HIIF_ASSIGN_OR_RETURN(const ModelStatus model,
                                Model(request->name(), request->version()));
          *response->add_model_stats() =
              statistics_.Of(model.name, VersionNumber(model.facts.version));
          return absl::OkStatus();
        }
        for (const ModelStatus& model : environment_.registry->List())
          *response->add_model_stats() =
              statistics_.Of(model.name, VersionNumber(model.facts.version));
        return absl::OkStatus();
      });
}

grpc::Status InferenceServiceImpl::RepositoryIndex(grpc::ServerContext* context,
                                                   const inference::RepositoryIndexRequest* request,
                                                   inference::RepositoryIndexResponse* response) {
  return environment_.handler->Handle(
      context, "RepositoryIndex", "", {}, [&](GrpcCall*, CallReport*) {
        for (const ModelStatus& model : environment_.registry->List())
          if (!request->ready() || CanServe(model.state)) Describe(model, response->add_models());
        return absl::OkStatus();
      });
}

grpc::Status InferenceServiceImpl::RepositoryModelLoad(
    grpc::ServerContext* context, const inference::RepositoryModelLoadRequest* request,
    inference::RepositoryModelLoadResponse*) {
  return environment_.handler->Handle(
      context, "RepositoryModelLoad", kScopeModels, {}, [&](GrpcCall* call, CallReport*) {
        if (!environment_.model_control) return NotEnabled();
        if (!request->parameters().empty())
          return InvalidField("parameters", "models come from the server's folder as they are");
        return environment_.registry->Load(request->model_name(), [call] { return call->Alive(); });
      });
}

grpc::Status InferenceServiceImpl::RepositoryModelUnload(
    grpc::ServerContext* context, const inference::RepositoryModelUnloadRequest* request,
    inference::RepositoryModelUnloadResponse*) {
  return environment_.handler->Handle(
      context, "RepositoryModelUnload", kScopeModels, {}, [&](GrpcCall* call, CallReport*) {
        if (!environment_.model_control) return NotEnabled();
        return environment_.registry->Unload(request->model_name(),
                                             [call] { return call->Alive(); });
      });
}

absl::Status InferenceServiceImpl::Upscale(const inference::ModelInferRequest& request,
                                           GrpcCall* call, CallReport* report,
                                           InferAnswer* answer) {
  for (const auto& output : request.outputs()) {
    if (output.name() != kImage) return InvalidField("outputs", "the one output is IMAGE");
    if (output.parameters().contains("shared_memory_region"))
      return absl::UnimplementedError("shared memory is not served");
    if (output.parameters().contains("classification"))
      return InvalidField("outputs.IMAGE", "it is a picture, not classes");
  }
  HIIF_ASSIGN_OR_RETURN(const InferInput input, ReadInput(request));
  HIIF_ASSIGN_OR_RETURN(UpscaleOptions options, ReadParameters(request, input));
  if (!request.model_version().empty()) {
    HIIF_ASSIGN_OR_RETURN(const ModelStatus model,
                          Model(request.model_name(), request.model_version()));
    options.parameters.set_model_version(model.facts.version);
  }
  call->set_deadline(std::min(call->deadline(), SteadyNow() + options.timeout));
  HIIF_ASSIGN_OR_RETURN(const UpscaleOrder order, UpscaleOrder::Parse(options.parameters));
  if (input.file)
    return environment_.upscaling->RunFile(*input.file, "inputs.IMAGE", order, call, answer,
                                           report);
  const absl::Status status =
      environment_.upscaling->Run(input.pixels, order, call, answer, report);
  // What the core calls image.raw is a tensor here.
  if (!absl::StartsWith(FieldOf(status), "image.raw")) return status;
  const absl::string_view message = status.message();
  return AtField("inputs.IMAGE",
                 absl::InvalidArgumentError(message.substr(message.find(": ") + 2)));
}

absl::Status InferenceServiceImpl::Infer(const inference::ModelInferRequest& request,
                                         GrpcCall* call, CallReport* report, InferAnswer* answer,
                                         inference::ModelInferResponse* response) {
  const absl::Time start = SteadyNow();
  absl::Status status = RequestId("id", request.id()).status();
  if (status.ok()) status = Upscale(request, call, report, answer);
  if (status.ok()) answer->MoveTo(response);
  response->set_id(request.id());
  statistics_.Add(*report, status.ok(), SteadyNow() - start);
  return status;
}

grpc::Status InferenceServiceImpl::ModelInfer(grpc::ServerContext* context,
                                              const inference::ModelInferRequest* request,
                                              inference::ModelInferResponse* response) {
  return environment_.handler->Handle(
      context, "ModelInfer", kScopeUpscale, {"id", request->id()},
      [&](GrpcCall* call, CallReport* report) -> absl::Status {
        const auto answer = std::make_shared<InferAnswer>(environment_.outputs);
        HIIF_RETURN_IF_ERROR(Infer(*request, call, report, answer.get(), response));
        call->Keep(answer);
        call->BeginAnswer(static_cast<int64_t>(response->ByteSizeLong()));
        return absl::OkStatus();
      });
}

grpc::Status InferenceServiceImpl::ModelStreamInfer(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<inference::ModelStreamInferResponse, inference::ModelInferRequest>*
        stream) {
  return environment_.handler->Handle(
      context, "ModelStreamInfer", kScopeUpscale, {},
      [&](GrpcCall* call, CallReport*) -> absl::Status {
        const int streams = ++streams_;
        const auto end = absl::MakeCleanup([this] { --streams_; });
        if (streams > environment_.max_streams) {
          environment_.metrics->Rejected(kReasonQueueFull);
          return ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonQueueFull,
                                 "too many streams at once", absl::Seconds(1));
        }
        const absl::Time arrival = call->arrival();
        const std::string stream_id = call->request_id();
        const auto next = [&](inference::ModelInferRequest* request) {
          call->AwaitRequest(environment_.stream_idle > absl::ZeroDuration()
                                 ? SteadyNow() + environment_.stream_idle
                                 : absl::InfiniteFuture());
          const bool read = stream->Read(request);
          call->BeginRequest();
          return read;
        };
        // What is left of the call is the stream's again.
        const auto restore = absl::MakeCleanup([&] {
          call->set_arrival(arrival);
          call->set_request_id(stream_id);
        });
        while (true) {
          inference::ModelInferRequest request;  // a new one: an old one's memory would stay
          if (!next(&request)) break;
          // The token may have been taken back since the stream began.
          HIIF_RETURN_IF_ERROR(environment_.handler->Authorize(kScopeUpscale, call));
          const absl::StatusOr<std::string> request_id = RequestId("id", request.id());
          call->set_request_id(request_id.ok() ? *request_id : NewRequestId());
          const absl::Time deadline = call->deadline();
          inference::ModelStreamInferResponse response;
          InferAnswer answer(environment_.outputs);
          CallReport report;
          const absl::Status status =
              Infer(request, call, &report, &answer, response.mutable_infer_response());
          call->set_deadline(deadline);
          const absl::Status alive = call->Alive();
          environment_.handler->FinishRequest("ModelInfer", *call, report,
                                              alive.ok() ? status : alive);
          HIIF_RETURN_IF_ERROR(alive);
          if (!status.ok()) response.set_error_message(Shorten(status.message(), kMaxErrorBytes));
          (*response.mutable_infer_response()->mutable_parameters())["triton_final_response"]
              .set_bool_param(true);
          call->BeginWrite(static_cast<int64_t>(response.ByteSizeLong()));
          const bool written = stream->Write(response);
          call->EndWrite();
          if (!written) break;
        }
        return call->Alive();
      });
}

}  // namespace hiif::server::kserve
