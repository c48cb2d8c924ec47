#include "server/rpc/handler.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/steady_now.h"
#include "server/core/errors.h"
#include "server/core/request_id.h"
#include "server/logging/log.h"
#include "server/rpc/status_translator.h"

namespace hiif::server {
namespace {

constexpr absl::Duration kNoRoomRetry = absl::Seconds(1);

void LogCall(const char* method, const GrpcCall& call, const CallReport& report,
             const absl::Status& status, absl::Duration duration) {
  LogFields fields = {{"method", method},
                      {"code", absl::StatusCodeToString(status.code())},
                      {"request_id", call.request_id()},
                      {"caller", call.caller()},
                      {"seconds", absl::ToDoubleSeconds(duration)}};
  if (!call.trace_id().empty()) fields.emplace_back("trace_id", call.trace_id());
  if (!report.model.empty()) fields.emplace_back("model", report.model);
  if (report.input_pixels > 0) {
    fields.emplace_back("input_pixels", report.input_pixels);
    fields.emplace_back("output_pixels", report.output_pixels);
    fields.emplace_back("messages", report.messages);
    fields.emplace_back("first_tile_seconds", absl::ToDoubleSeconds(report.first_tile));
    fields.emplace_back("features_cached", report.features_cached);
    fields.emplace_back("queue_seconds", report.times.queue());
    fields.emplace_back("decode_seconds", report.times.decode());
    fields.emplace_back("encode_seconds", report.times.encode());
    fields.emplace_back("context_seconds", report.times.context());
    fields.emplace_back("query_seconds", report.times.query());
    fields.emplace_back("send_seconds", report.times.send());
  }
  if (!report.warnings.empty())
    fields.emplace_back("warnings", absl::StrJoin(report.warnings, "; "));
  if (!status.ok()) fields.emplace_back("error", status.message());
  const bool ours = absl::IsInternal(status) || absl::IsUnknown(status) || absl::IsDataLoss(status);
  Log(ours ? LogLevel::kError : LogLevel::kInfo, "call", fields);
}

}  // namespace

absl::Status RpcHandler::Authorize(const char* scope, GrpcCall* call) const {
  const std::string certificate = call->CertificateName();
  call->set_caller(certificate.empty() ? call->Peer() : certificate);
  if (options_.tokens == nullptr) return absl::OkStatus();
  const auto principal = options_.tokens->Authorize(call->Metadata("authorization"), scope);
  if (!principal.ok()) return principal.status();
  call->set_caller(principal->name);
  return absl::OkStatus();
}

grpc::Status RpcHandler::Run(grpc::ServerContextBase* context, const char* method, GrpcCall* call,
                             const AskedRequestId& id, absl::Status so_far, const Body& body) {
  const int calls = ++calls_;
  metrics_->InFlight(1);
  const auto end = absl::MakeCleanup([this] {
    metrics_->InFlight(-1);
    --calls_;
  });
  const absl::StatusOr<std::string> request_id = RequestId(id.field, id.asked);
  call->set_request_id(request_id.ok() ? *request_id : NewRequestId());
  context->AddInitialMetadata("hiif-request-id", call->request_id());
  CallReport report;
  absl::Status status = std::move(so_far);
  if (status.ok()) status = request_id.status();
  if (status.ok() && calls > options_.max_calls) {
    status = ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonQueueFull,
                             "too many calls at once", kNoRoomRetry);
    metrics_->Rejected(kReasonQueueFull);
  }
  if (status.ok()) status = call->Alive();
  if (status.ok()) status = body(call, &report);
  const absl::Duration duration = SteadyNow() - call->arrival();
  if (options_.tracer != nullptr) {
    const std::string parent = call->trace_id().empty() ? "" : call->Metadata("traceparent");
    const std::string id = options_.tracer->Record(
        {method, status, call->request_id(), parent, call->arrival(), call->arrival() + duration},
        report);
    if (call->trace_id().empty()) call->set_trace_id(id);
  }
  metrics_->RequestDone(method, report.model, absl::StatusCodeToString(status.code()), duration,
                        absl::Seconds(report.times.queue()), call->trace_id());
  LogCall(method, *call, report, status, duration);
  return Finish(status, context);
}

grpc::Status RpcHandler::Handle(grpc::ServerContext* context, const char* method, const char* scope,
                                const AskedRequestId& id, const Body& body) {
  GrpcCall call(context, monitor_);
  absl::Status authorized = Authorize(scope, &call);
  return Run(context, method, &call, id, std::move(authorized), body);
}

}  // namespace hiif::server
