#include "server/fronts/grpc/handler.h"

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "server/core/request_id.h"
#include "server/errors/guarded.h"
#include "server/fronts/grpc/answers.h"
#include "server/fronts/grpc/status_translator.h"

namespace hiif::server {

absl::Status RpcHandler::Authorize(const char* scope, GrpcCall* call) const {
  std::string caller;
  absl::Status status = calls_->Authorize(
      {call->Metadata("authorization"), call->Peer(), call->CertificateName()}, scope, &caller);
  call->set_caller(std::move(caller));
  return status;
}

grpc::Status RpcHandler::Run(grpc::ServerContextBase* context, const char* method, GrpcCall* call,
                             const AskedRequestId& id, absl::Status so_far, const Body& body) {
  const absl::Status slot = call->TakeSlot(calls_);
  const absl::StatusOr<std::string> request_id = RequestId(id.field, id.asked);
  call->set_request_id(request_id.ok() ? *request_id : NewRequestId());
  context->AddInitialMetadata("hiif-request-id", call->request_id());
  CallReport report;
  absl::Status status = std::move(so_far);
  if (status.ok()) status = request_id.status();
  if (status.ok()) status = slot;
  if (status.ok()) status = call->Alive();
  if (status.ok()) status = Guarded([&] { return body(call, &report); });
  calls_->Finish({front_, method}, *call, call->Metadata("traceparent"), report, status);
  call->BeginSending(status.ok());
  return Finish(status, context);
}

void RpcHandler::FinishRequest(const char* method, const GrpcCall& call, const CallReport& report,
                               const absl::Status& status) const {
  calls_->Finish({front_, method}, call, call.Metadata("traceparent"), report, status);
}

grpc::Status RpcHandler::Handle(grpc::ServerContext* context, const char* method, const char* scope,
                                const AskedRequestId& id, const Body& body) {
  auto call = std::make_unique<GrpcCall>(context, monitor_);
  absl::Status authorized = Authorize(scope, call.get());
  grpc::Status status = Run(context, method, call.get(), id, std::move(authorized), body);
  KeepUntilSent(context, std::move(call));
  return status;
}

grpc::Status RpcHandler::HandleHealth(grpc::ServerContext* context,
                                      const std::function<void()>& body) {
  auto call = std::make_unique<GrpcCall>(context, monitor_);
  call->Keep(std::shared_ptr<void>(nullptr, [this](void*) { --health_; }));
  const bool room = ++health_ <= kMostHealth;
  if (room) body();
  call->BeginSending(room);
  KeepUntilSent(context, std::move(call));
  if (room) return grpc::Status::OK;
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many health checks wait for their answers"};
}

}  // namespace hiif::server
