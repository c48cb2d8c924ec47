// When a failed call may be tried again.
#ifndef CLIENT_RETRY_H_
#define CLIENT_RETRY_H_

#include <optional>
#include <random>
#include <stop_token>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/options.h"

namespace hiif::client {

// What a failed attempt said.
struct Failure {
  absl::Status status;
  // google.rpc.RetryInfo.retry_delay of the status details.
  std::optional<absl::Duration> retry_info;
  // Trailer grpc-retry-pushback-ms; negative: do not try again.
  std::optional<absl::Duration> pushback;
  // Not for another attempt, whatever the code.
  bool final = false;
};

// RetryInfo of a serialised google.rpc.Status, as the trailer grpc-status-details-bin carries it.
std::optional<absl::Duration> RetryInfoFromDetails(absl::string_view details);

// The waits of one call. Not thread-safe.
class RetryState {
 public:
  explicit RetryState(const RetryPolicy& policy) : policy_(policy) {}

  // How long to wait before the next attempt; nullopt: the failure is final.
  std::optional<absl::Duration> Next(const Failure& failure);
  // The last attempt brought something new: the count and the back-off start again.
  void Progress();

 private:
  const RetryPolicy policy_;
  int failures_ = 0;
  absl::Duration overload_wait_;
  std::minstd_rand random_{std::random_device{}()};
};

// Sleeps; false when a stop was requested meanwhile.
bool SleepUnlessStopped(absl::Duration duration, std::stop_token stop);

}  // namespace hiif::client

#endif  // CLIENT_RETRY_H_
