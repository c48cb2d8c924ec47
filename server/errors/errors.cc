#include "server/errors/errors.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "google/rpc/error_details.pb.h"

namespace hiif::server {
namespace {

constexpr size_t kMaxFieldBytes = 256;

using google::rpc::BadRequest;
using google::rpc::ErrorInfo;
using google::rpc::RetryInfo;

template <typename Message>
std::string TypeUrl() {
  return absl::StrCat("type.googleapis.com/", Message::descriptor()->full_name());
}

template <typename Message>
void Attach(const Message& message, absl::Status* status) {
  status->SetPayload(TypeUrl<Message>(), absl::Cord(message.SerializeAsString()));
}

template <typename Message>
std::optional<Message> Payload(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl<Message>());
  Message message;
  if (!payload || !message.ParseFromString(std::string(*payload))) return std::nullopt;
  return message;
}

void AttachReason(absl::string_view reason, absl::Status* status) {
  ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain("hiif.v1");
  Attach(info, status);
}

}  // namespace

absl::Status InvalidField(absl::string_view field, absl::string_view text) {
  // Some protocols have names that the client chooses; trailers are small.
  const std::string path = Shorten(field, kMaxFieldBytes);
  const std::string allowed = Shorten(text, kMaxErrorBytes);
  absl::Status status = absl::InvalidArgumentError(absl::StrCat(path, ": ", allowed));
  AttachReason(kReasonInvalidField, &status);
  BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field(path);
  violation->set_description(allowed);
  Attach(bad, &status);
  return status;
}

absl::Status AtField(absl::string_view field, const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) return status;
  return InvalidField(field, status.message());
}

absl::Status UnderField(absl::string_view prefix, const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) return status;
  const absl::string_view message = status.message();
  const size_t colon = message.find(": ");
  if (colon == absl::string_view::npos || message.substr(0, colon).find(' ') != message.npos)
    return InvalidField(prefix, message);
  return InvalidField(absl::StrCat(prefix, ".", message.substr(0, colon)),
                      message.substr(colon + 2));
}

absl::Status ErrorWithReason(absl::StatusCode code, absl::string_view reason,
                             absl::string_view message, std::optional<absl::Duration> retry_delay) {
  absl::Status status(code, message);
  AttachReason(reason, &status);
  return retry_delay ? WithRetry(std::move(status), *retry_delay) : status;
}

absl::Status WithRetry(absl::Status status, absl::Duration retry_delay) {
  retry_delay = std::clamp(retry_delay, absl::Milliseconds(1), absl::Hours(1));
  RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(retry_delay));
  info.mutable_retry_delay()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(retry_delay % absl::Seconds(1))));
  Attach(info, &status);
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto info = Payload<ErrorInfo>(status);
  return info ? info->reason() : "";
}

std::string FieldOf(const absl::Status& status) {
  const auto bad = Payload<BadRequest>(status);
  return bad && bad->field_violations_size() > 0 ? bad->field_violations(0).field() : "";
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  const auto info = Payload<RetryInfo>(status);
  if (!info) return std::nullopt;
  return absl::Seconds(info->retry_delay().seconds()) +
         absl::Nanoseconds(info->retry_delay().nanos());
}

}  // namespace hiif::server
