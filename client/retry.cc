#include "client/retry.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace hiif::client {

std::optional<absl::Duration> RetryInfoFromDetails(absl::string_view details) {
  google::rpc::Status status;
  if (!status.ParseFromString(std::string(details))) return std::nullopt;
  for (const google::protobuf::Any& any : status.details()) {
    google::rpc::RetryInfo info;
    if (any.UnpackTo(&info))
      return absl::Seconds(info.retry_delay().seconds()) +
             absl::Nanoseconds(info.retry_delay().nanos());
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
                      failure.status.code() == absl::StatusCode::kDataLoss ||
                      // Not by a stop of our own, which makes no failure.
                      failure.status.code() == absl::StatusCode::kCancelled;
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
