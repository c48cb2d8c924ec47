#include "server/fronts/grpc/grpc_call.h"

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/steady_now.h"
#include "grpc/grpc.h"
#include "server/errors/errors.h"
#include "server/logging/log.h"

namespace hiif::server {
namespace {

constexpr char kDraining[] = "the server is shutting down: ask another one";

absl::Time DeadlineOf(const grpc::ServerContextBase& context) {
  const auto deadline = context.deadline();
  // gRPC says "none" with a time at the end of the clock.
  if (deadline >= std::chrono::system_clock::now() + std::chrono::hours(24 * 365))
    return absl::InfiniteFuture();
  return SteadyNow() + absl::FromChrono(deadline - std::chrono::system_clock::now());
}

}  // namespace

std::string PeerAddress(absl::string_view peer) {
  if (absl::StartsWith(peer, "unix")) return "unix";
  absl::string_view address = peer;
  if (!absl::ConsumePrefix(&address, "ipv4:")) absl::ConsumePrefix(&address, "ipv6:");
  address = address.substr(0, address.rfind(':'));
  absl::ConsumePrefix(&address, "[");
  absl::ConsumePrefix(&address, "%5B");
  absl::ConsumeSuffix(&address, "]");
  absl::ConsumeSuffix(&address, "%5D");
  return std::string(address);
}

GrpcCall::GrpcCall(grpc::ServerContextBase* context, CallMonitor* monitor)
    : context_(context), monitor_(monitor), arrival_(SteadyNow()), deadline_(DeadlineOf(*context)) {
  monitor_->Add(this);
}

GrpcCall::~GrpcCall() {
  monitor_->Remove(this);
  if (answered_ && (cut_ != Cut::kNone || context_->IsCancelled()))  // behind the handler's line
    LogWarning("an answer was given up",
               {{"request_id", request_id_}, {"caller", caller_}, {"error", Alive().message()}});
}

absl::Status GrpcCall::Alive() const {
  switch (cut_) {
    case Cut::kNone:
      break;
    case Cut::kSlowReader:
      return ErrorWithReason(
          absl::StatusCode::kDeadlineExceeded, kReasonSlowReader,
          absl::StrCat("nothing was read for ", absl::FormatDuration(WriteTimeout())));
    case Cut::kSlowSender:
      return ErrorWithReason(absl::StatusCode::kDeadlineExceeded, kReasonSlowSender,
                             "too little was sent for too long");
    case Cut::kDraining:
      return absl::UnavailableError(kDraining);
  }
  if (SteadyNow() >= deadline_) return absl::DeadlineExceededError("the deadline has passed");
  if (context_->IsCancelled()) return absl::CancelledError("the client is gone");
  return absl::OkStatus();
}

void GrpcCall::WhenDead(std::function<void()> callback) {
  absl::MutexLock lock(&mutex_);
  when_dead_ = std::move(callback);
}

absl::Status GrpcCall::TakeSlot(CallHandler* calls) {
  return slot_.emplace(calls, caller_).status();
}

std::string GrpcCall::Metadata(const char* key) const {
  const auto& metadata = context_->client_metadata();
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

std::string GrpcCall::Peer() const { return PeerAddress(context_->peer()); }

std::string GrpcCall::CertificateName() const {
  const auto identity = context_->auth_context()->GetPeerIdentity();
  return identity.empty() ? "" : std::string(identity[0].data(), identity[0].size());
}

void GrpcCall::BeginWrite(int64_t bytes) {
  write_bytes_ = bytes;
  write_began_ns_ = absl::ToUnixNanos(SteadyNow());
}

void GrpcCall::BeginAnswer(int64_t bytes) {
  answered_ = true;
  BeginWrite(bytes);
}

void GrpcCall::BeginSending(bool ok) {
  if (slot_) slot_->BeginSending();
  if (answered_) return;
  if (ok)
    BeginAnswer(0);
  else
    BeginWrite();
}

absl::Duration GrpcCall::EndWrite() {
  return SteadyNow() - absl::FromUnixNanos(write_began_ns_.exchange(0));
}

void GrpcCall::AwaitRequest(absl::Time until) {
  ExpectUntil(until);
  idle_ = true;
}

void GrpcCall::BeginRequest() {
  idle_ = false;
  ExpectUntil(absl::InfiniteFuture());
  arrival_ = SteadyNow();
}

void GrpcCall::CutOff(Cut cut, grpc_status_code code, const char* why) {
  cut_ = cut;
  // TryCancel() would say CANCELLED; this sends the status in spite of a full window.
  grpc_call_cancel_with_status(context_->c_call(), code, why, nullptr);
}

absl::Duration GrpcCall::WriteTimeout() const {
  if (const int64_t own = own_write_timeout_ns_; own > 0) return absl::Nanoseconds(own);
  const absl::Duration usual = monitor_->write_timeout();
  return usual > absl::ZeroDuration() ? usual : absl::InfiniteDuration();
}

void GrpcCall::LookAfter(absl::Time now, bool draining) {
  const int64_t began = write_began_ns_;
  if (cut_ == Cut::kNone) {
    if (began != 0 &&
        now - absl::FromUnixNanos(began) >
            WriteTimeout() + absl::Seconds(static_cast<double>(write_bytes_) / kLeastSpeed)) {
      CutOff(Cut::kSlowReader, GRPC_STATUS_DEADLINE_EXCEEDED,
             "the client read nothing for too long");
    } else if (absl::ToUnixNanos(now) > expected_ns_) {
      CutOff(Cut::kSlowSender, GRPC_STATUS_DEADLINE_EXCEEDED,
             "the client sent too little for too long");
    } else if (draining && idle_) {
      CutOff(Cut::kDraining, GRPC_STATUS_UNAVAILABLE, kDraining);
    }
  }
  absl::MutexLock lock(&mutex_);
  if (when_dead_ && !Alive().ok()) {
    when_dead_();
    when_dead_ = nullptr;
  }
}

}  // namespace hiif::server
