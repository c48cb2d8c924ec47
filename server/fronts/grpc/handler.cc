#include "server/fronts/grpc/handler.h"

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "server/core/caller_network.h"
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
  // Strangers take no place, however slowly they take their refusals.
  const absl::Status slot = so_far.ok() ? call->TakeSlot(calls_) : absl::OkStatus();
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
  const std::string peer = CallerNetwork(call->Peer());
  const bool room = EnterHealth(peer);
  if (room) {
    call->Keep(std::shared_ptr<void>(nullptr, [this, peer](void*) { LeaveHealth(peer); }));
    body();
  }
  call->set_write_timeout(kHealthTime);
  call->BeginSending(room);
  KeepUntilSent(context, std::move(call));
  if (room) return grpc::Status::OK;
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many health checks wait for their answers"};
}

bool RpcHandler::EnterHealth(const std::string& peer) {
  absl::MutexLock lock(&mutex_);
  const auto found = health_of_.find(peer);
  if (health_ >= kMostHealth || (found != health_of_.end() && found->second >= kMostHealthOfPeer))
    return false;
  ++health_;
  ++health_of_[peer];
  return true;
}

void RpcHandler::LeaveHealth(const std::string& peer) {
  absl::MutexLock lock(&mutex_);
  --health_;
  const auto found = health_of_.find(peer);
  if (--found->second == 0) health_of_.erase(found);
}

}  // namespace hiif::server
