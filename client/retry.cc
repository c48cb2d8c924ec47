#include "client/retry.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>

#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/unknown_field_set.h"

namespace hiif::client {
namespace {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

constexpr int kStatusDetails = 3;  // google.rpc.Status.details
constexpr int kRetryDelay = 1;     // google.rpc.RetryInfo.retry_delay

std::optional<absl::Duration> DelayOf(const std::string& retry_info) {
  UnknownFieldSet fields;
  if (!fields.ParseFromString(retry_info)) return std::nullopt;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    google::protobuf::Duration delay;
    if (field.number() == kRetryDelay && field.type() == UnknownField::TYPE_LENGTH_DELIMITED &&
        delay.ParseFromString(field.length_delimited()))
      return absl::Seconds(delay.seconds()) + absl::Nanoseconds(delay.nanos());
  }
  return absl::ZeroDuration();  // RetryInfo without a delay: at once
}

}  // namespace

// Debian ships neither google/rpc/status.proto nor error_details.proto; two fields are read here.
std::optional<absl::Duration> RetryInfoFromDetails(absl::string_view details) {
  UnknownFieldSet fields;
  if (!fields.ParseFromString(std::string(details))) return std::nullopt;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    google::protobuf::Any any;
    if (field.number() == kStatusDetails && field.type() == UnknownField::TYPE_LENGTH_DELIMITED &&
        any.ParseFromString(field.length_delimited()) &&
        any.type_url() == "type.googleapis.com/google.rpc.RetryInfo")
      return DelayOf(any.value());
  }
  return std::nullopt;
}

std::optional<absl::Duration> RetryState::Next(const Failure& failure) {
  if (failure.final) return std::nullopt;
  if (failure.pushback && *failure.pushback < absl::ZeroDuration()) return std::nullopt;
  if (failure.status.code() == absl::StatusCode::kResourceExhausted) {
    if (!failure.retry_info || policy_.max_attempts <= 1) return std::nullopt;
    // Never earlier than the server said.
    std::uniform_real_distribution<double> later(1, 1 + policy_.jitter);
    const absl::Duration said = failure.pushback.value_or(*failure.retry_info);
    const absl::Duration wait = std::max(said, policy_.initial_backoff / 10) * later(random_);
    if (overload_wait_ + wait > policy_.max_overload_wait) return std::nullopt;
    overload_wait_ += wait;
    return wait;
  }
  const bool broken = failure.status.code() == absl::StatusCode::kUnavailable ||
                      failure.status.code() == absl::StatusCode::kDataLoss;
  if (!broken || ++failures_ >= policy_.max_attempts) return std::nullopt;
  const absl::Duration backoff = std::min(
      policy_.initial_backoff * std::pow(policy_.multiplier, failures_ - 1), policy_.max_backoff);
  std::uniform_real_distribution<double> around(1 - policy_.jitter, 1 + policy_.jitter);
  return std::max(backoff * around(random_), failure.retry_info.value_or(absl::ZeroDuration()));
}

void RetryState::Progress() {
  failures_ = 0;
  overload_wait_ = absl::ZeroDuration();
}

bool SleepUnlessStopped(absl::Duration duration, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, absl::ToChronoMilliseconds(duration), [] { return false; });
  return !stop.stop_requested();
}

}  // namespace hiif::client
