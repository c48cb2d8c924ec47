#include "server/core/call_handler.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "base/steady_now.h"
#include "server/core/caller_network.h"
#include "server/core/trace_id.h"
#include "server/errors/errors.h"
#include "server/logging/log.h"

namespace hiif::server {
namespace {

constexpr absl::Duration kNoRoomRetry = absl::Seconds(1);
// Answers that may wait for their clients beside the most calls: each can hold a thread.
constexpr int kMostSending = 16;
// A caller may hold so many places for each that is free, which leaves one of eight to others where
// one takes all it can, and where n do each has as many (dynamic thresholds: Choudhury and Hahne,
// IEEE/ACM Transactions on Networking 6(2), 1998). Fewer than eight places are whoever's comes.
constexpr int kMostOfFree = 7;

void LogCall(CallName name, const Call& call, absl::string_view trace_id, const CallReport& report,
             const absl::Status& status, absl::Duration duration) {
  LogFields fields = {{"front", name.front},
                      {"method", name.method},
                      {"code", absl::StatusCodeToString(status.code())},
                      {"request_id", call.request_id()},
                      {"caller", call.caller()},
                      {"seconds", absl::ToDoubleSeconds(duration)}};
  if (!trace_id.empty()) fields.emplace_back("trace_id", trace_id);
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
    fields.emplace_back("file_seconds", report.times.file());
    fields.emplace_back("send_seconds", report.times.send());
  }
  if (!report.warnings.empty())
    fields.emplace_back("warnings", absl::StrJoin(report.warnings, "; "));
  if (!status.ok()) fields.emplace_back("error", status.message());
  const bool ours = absl::IsInternal(status) || absl::IsUnknown(status) || absl::IsDataLoss(status);
  Log(ours ? LogLevel::kError : LogLevel::kInfo, "call", fields);
}

}  // namespace

absl::Status CallHandler::Authorize(const Credentials& credentials, const char* scope,
                                    std::string* caller) const {
  *caller = credentials.certificate.empty() ? credentials.peer : credentials.certificate;
  if (options_.tokens == nullptr) return absl::OkStatus();
  const auto principal = options_.tokens->Authorize(credentials.authorization, scope);
  if (!principal.ok()) return principal.status();
  *caller = principal->name;
  return absl::OkStatus();
}

CallHandler::Slot::Slot(CallHandler* handler, absl::string_view caller)
    : handler_(handler),
      caller_(CallerNetwork(caller)),
      status_(handler->Enter(caller_)),
      sending_(!status_.ok()) {}

CallHandler::Slot::~Slot() {
  BeginSending();
  if (status_.ok()) handler_->Leave(caller_);
}

void CallHandler::Slot::BeginSending() {
  if (!std::exchange(sending_, true)) handler_->LeaveHandled(caller_);
}

absl::Status CallHandler::Enter(const std::string& caller) {
  const int most = options_.max_calls;
  const char* why = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = taken_by_.find(caller);
    const Places own = found == taken_by_.end() ? Places{} : found->second;
    if (taken_.handled >= most || taken_.calls >= most + kMostSending) {
      why = "too many calls at once";
    } else if (own.handled >= kMostOfFree * (most - taken_.handled) ||
               own.calls >= kMostOfFree * (most + kMostSending - taken_.calls)) {
      why = "too many calls of this caller at once: the places that are left are for others";
    } else {
      taken_by_[caller] = {own.handled + 1, own.calls + 1};
      ++taken_.handled;
      ++taken_.calls;
    }
  }
  if (why == nullptr) {
    metrics_->InFlight(1);
    return absl::OkStatus();
  }
  metrics_->Rejected(kReasonQueueFull);
  return ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonQueueFull, why, kNoRoomRetry);
}

void CallHandler::LeaveHandled(const std::string& caller) {
  metrics_->InFlight(-1);
  absl::MutexLock lock(&mutex_);
  --taken_.handled;
  --taken_by_.at(caller).handled;
}

void CallHandler::Leave(const std::string& caller) {
  absl::MutexLock lock(&mutex_);
  --taken_.calls;
  const auto found = taken_by_.find(caller);
  if (--found->second.calls == 0) taken_by_.erase(found);
}

int CallHandler::calls() const {
  absl::MutexLock lock(&mutex_);
  return taken_.calls;
}

void CallHandler::Finish(CallName name, const Call& call, const std::string& traceparent,
                         const CallReport& report, const absl::Status& status) {
  // Said by whoever looks for the model; the other refusals count where they are made.
  if (ReasonOf(status) == kReasonModelLoading) metrics_->Rejected(kReasonModelLoading);
  const absl::Duration duration = SteadyNow() - call.arrival();
  std::string trace_id = TraceId(traceparent);
  if (options_.tracer != nullptr) {
    const std::string own = options_.tracer->Record(
        {name.front, name.method, status, call.request_id(), trace_id.empty() ? "" : traceparent,
         call.arrival(), call.arrival() + duration},
        report);
    if (trace_id.empty()) trace_id = own;
  }
  metrics_->RequestDone(name.front, name.method, report.model,
                        absl::StatusCodeToString(status.code()), duration,
                        absl::Seconds(report.times.queue()), trace_id);
  LogCall(name, call, trace_id, report, status, duration);
}

}  // namespace hiif::server
