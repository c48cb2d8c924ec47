#include "client/attempt.h"

#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/steady_now.h"

namespace hiif::client {
namespace {

std::optional<std::string> TrailerOf(const grpc::ClientContext& context, const char* name) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto it = trailers.find(name);
  if (it == trailers.end()) return std::nullopt;
  return std::string(it->second.data(), it->second.size());
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

Attempt::Attempt(ServerPool* pool, const CallOptions& call, absl::Time deadline)
    : lease_(pool->Acquire()),
      stop_(call.stop, [this] { context_.TryCancel(); }),
      stall_timeout_(call.stall_timeout),
      watch_(call.stall_timeout, [this] { context_.TryCancel(); }) {
  // gRPC counts by the wall clock.
  if (deadline != absl::InfiniteFuture())
    context_.set_deadline(absl::ToChronoTime(absl::Now() + (deadline - SteadyNow())));
  if (!pool->authorization().empty()) context_.AddMetadata("authorization", pool->authorization());
}

Failure Attempt::Failed(const grpc::Status& status) {
  Failure failure{FromGrpc(status)};
  if (watch_.stalled()) {
    failure.status = absl::UnavailableError(absl::StrCat(
        "the server was silent for ", absl::FormatDuration(stall_timeout_), " and is given up"));
  } else if (absl::IsCancelled(failure.status)) {
    failure.status = absl::CancelledError(absl::StrCat(
        "the call was cancelled by the server or a proxy: ", failure.status.message()));
  }
  failure.retry_info = RetryInfoFromDetails(status.error_details());
  int64_t millis = 0;
  if (const auto pushback = TrailerOf(context_, "grpc-retry-pushback-ms"))
    if (absl::SimpleAtoi(*pushback, &millis)) failure.pushback = absl::Milliseconds(millis);
  if (failure.status.code() == absl::StatusCode::kUnavailable ||
      failure.status.code() == absl::StatusCode::kResourceExhausted)
    lease_->Failed();
  return failure;
}

absl::Status RunAttempts(
    ServerPool* pool, const RetryPolicy& policy, const CallOptions& call,
    const std::function<std::optional<Failure>(Attempt&, RetryState&)>& attempt) {
  const absl::Time deadline = SteadyNow() + call.timeout;
  RetryState retry(policy);
  while (true) {
    std::optional<Failure> failure;
    {
      Attempt current(pool, call, deadline);
      failure = attempt(current, retry);
    }
    if (!failure) return absl::OkStatus();
    if (call.stop.stop_requested()) return absl::CancelledError("interrupted");
    const std::optional<absl::Duration> wait = retry.Next(*failure);
    if (!wait) return failure->status;
    // Waiting past the deadline helps nobody: what went wrong says more than that time ran out.
    if (SteadyNow() + *wait >= deadline) return failure->status;
    if (call.on_retry) call.on_retry(failure->status, *wait);
    if (!SleepUnlessStopped(*wait, call.stop)) return absl::CancelledError("interrupted");
  }
}

}  // namespace hiif::client
