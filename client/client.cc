#include "client/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "client/attempt.h"
#include "client/output_buffer.h"
#include "client/server_pool.h"
#include "client/upload.h"
#include "client/upscale_call.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "hiif/v1/super_resolution.grpc.pb.h"

namespace hiif::client {
namespace {

// A server names each of its models once.
constexpr size_t kMaxModels = 10'000;

// A unary call with its retries.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Unary(ServerPool* pool, const ClientOptions& options,
                               const CallOptions& call, const Request& request,
                               grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Response*)) {
  Response response;
  const auto attempt = [&](Attempt& current, RetryState&) -> std::optional<Failure> {
    Stub stub(current.channel());
    const StallWatch::Wait wait(current.watch());
    const grpc::Status status = (stub.*method)(current.context(), request, &response);
    if (status.ok()) return std::nullopt;
    return current.Failed(status);
  };
  HIIF_RETURN_IF_ERROR(RunAttempts(pool, options.retry, call, attempt));
  return response;
}

absl::StatusOr<v1::QueryResponse> Checked(const v1::QueryRequest& request,
                                          absl::StatusOr<v1::QueryResponse> response) {
  // R, G, B for each row and column.
  if (response.ok() && int64_t{2} * response->rgb_size() != int64_t{3} * request.coordinates_size())
    return absl::DataLossError(
        absl::StrCat("the server's answer is damaged: ", response->rgb_size(), " values for ",
                     request.coordinates_size() / 2, " positions"));
  return response;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Create(const ClientOptions& options) {
  HIIF_ASSIGN_OR_RETURN(auto pool, ServerPool::Create(options));
  return std::unique_ptr<Client>(new Client(options, std::move(pool)));
}

Client::Client(const ClientOptions& options, std::unique_ptr<ServerPool> pool)
    : options_(options), pool_(std::move(pool)) {}

Client::~Client() = default;

absl::Status Client::WaitForConnected(absl::Duration timeout, std::stop_token stop) {
  return pool_->WaitForConnected(timeout, std::move(stop));
}

absl::StatusOr<v1::UpscaleTrailer> Client::Upscale(const ImageInput& image,
                                                   const v1::UpscaleParameters& parameters,
                                                   UpscaleReceiver* receiver,
                                                   const CallOptions& call) {
  UpscaleCall upscale(image, parameters, receiver, options_.upload_above_bytes);
  HIIF_RETURN_IF_ERROR(RunAttempts(
      pool_.get(), options_.retry, call,
      [&](Attempt& attempt, RetryState& retry) { return upscale.Try(attempt, retry); }));
  return upscale.trailer();
}

absl::StatusOr<UpscaleOutput> Client::UpscaleToMemory(const ImageInput& image,
                                                      const v1::UpscaleParameters& parameters,
                                                      const CallOptions& call) {
  OutputBuffer buffer(parameters.validate_only());
  HIIF_ASSIGN_OR_RETURN(v1::UpscaleTrailer trailer, Upscale(image, parameters, &buffer, call));
  return buffer.Take(std::move(trailer));
}

absl::StatusOr<v1::QueryResponse> Client::Query(const v1::QueryRequest& request,
                                                const CallOptions& call) {
  ImageInput image{.encoded = request.image().encoded()};
  if (request.image().has_raw()) image.raw = &request.image().raw();
  if (!MustUpload(image, options_.upload_above_bytes))
    return Checked(request, Unary(pool_.get(), options_, call, request,
                                  &v1::SuperResolutionService::Stub::Query));
  v1::QueryUploadRequest first;
  *first.mutable_query() = request;
  first.mutable_query()->clear_image();
  v1::QueryResponse response;
  const auto attempt = [&](Attempt& current, RetryState&) -> std::optional<Failure> {
    const auto stub = v1::SuperResolutionService::NewStub(current.channel());
    const auto stream = stub->QueryUpload(current.context(), &response);
    // Where the server closed the stream, its status says why.
    SendUpload(first, image, stream.get(), current.watch());
    const StallWatch::Wait wait(current.watch());
    const grpc::Status status = stream->Finish();
    if (status.ok()) return std::nullopt;
    return current.Failed(status);
  };
  HIIF_RETURN_IF_ERROR(RunAttempts(pool_.get(), options_.retry, call, attempt));
  return Checked(request, std::move(response));
}

absl::StatusOr<std::vector<v1::Model>> Client::ListModels(const CallOptions& call) {
  std::vector<v1::Model> models;
  v1::ListModelsRequest request;
  const absl::Time end = SteadyNow() + call.timeout;  // of all pages together
  CallOptions of_page = call;
  do {
    if (models.size() > kMaxModels)
      return absl::DataLossError("the server's list of models has no end");
    HIIF_ASSIGN_OR_RETURN(v1::ListModelsResponse page,
                          Unary(pool_.get(), options_, of_page, request,
                                &v1::SuperResolutionService::Stub::ListModels));
    of_page.timeout = std::max(end - SteadyNow(), absl::ZeroDuration());
    for (v1::Model& model : *page.mutable_models()) models.push_back(std::move(model));
    if (page.models().empty() && !page.next_page_token().empty())
      return absl::DataLossError("the server's list of models has an empty page");
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return models;
}

absl::StatusOr<v1::Model> Client::GetModel(const std::string& name, const CallOptions& call) {
  v1::GetModelRequest request;
  request.set_name(name);
  HIIF_ASSIGN_OR_RETURN(
      v1::GetModelResponse response,
      Unary(pool_.get(), options_, call, request, &v1::SuperResolutionService::Stub::GetModel));
  return std::move(*response.mutable_model());
}

absl::StatusOr<Serving> Client::CheckHealth(const std::string& service, const CallOptions& call) {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  HIIF_ASSIGN_OR_RETURN(
      const grpc::health::v1::HealthCheckResponse response,
      Unary(pool_.get(), options_, call, request, &grpc::health::v1::Health::Stub::Check));
  switch (response.status()) {
    case grpc::health::v1::HealthCheckResponse::SERVING:
      return Serving::kServing;
    case grpc::health::v1::HealthCheckResponse::NOT_SERVING:
      return Serving::kNotServing;
    default:
      return Serving::kUnknown;
  }
}

}  // namespace hiif::client
