// Errors of the service as absl::Status: the code says what the client should do
// (docs/reliability.md), the payloads are the google.rpc messages that say it to programs. Nothing
// here knows a transport.
#ifndef SERVER_ERRORS_ERRORS_H_
#define SERVER_ERRORS_ERRORS_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace hiif::server {

// Reasons of ErrorInfo. The rejected ones are labels of hiif_rejected_total.
inline constexpr char kReasonInvalidField[] = "INVALID_FIELD";
inline constexpr char kReasonQueueFull[] = "QUEUE_FULL";
inline constexpr char kReasonDeadline[] = "DEADLINE_OUT_OF_REACH";
inline constexpr char kReasonMemory[] = "MEMORY";
inline constexpr char kReasonTooLarge[] = "REQUEST_TOO_LARGE";
inline constexpr char kReasonDraining[] = "DRAINING";
inline constexpr char kReasonModelLoading[] = "MODEL_LOADING";
inline constexpr char kReasonModelFailed[] = "MODEL_FAILED";
inline constexpr char kReasonModelUnknown[] = "MODEL_UNKNOWN";
inline constexpr char kReasonResumeToken[] = "RESUME_TOKEN_MISMATCH";
inline constexpr char kReasonSlowReader[] = "SLOW_READER";
inline constexpr char kReasonSlowSender[] = "SLOW_SENDER";
inline constexpr char kReasonAuthentication[] = "AUTHENTICATION";
inline constexpr char kReasonScope[] = "SCOPE";
inline constexpr char kReasonDeviceLost[] = "DEVICE_LOST";
inline constexpr char kReasonNoDecoder[] = "NO_DECODER";

// What is kept of a message. HTTP/2 peers limit the size of trailers, 8 KiB by default, and a
// message is in there three times.
inline constexpr size_t kMaxErrorBytes = 1024;

// InvalidArgument: "field: what is allowed", with a BadRequest. field: path in the request.
absl::Status InvalidField(absl::string_view field, absl::string_view allowed);

// `status` with the field put before its message, as a BadRequest; only InvalidArgument is changed.
absl::Status AtField(absl::string_view field, const absl::Status& status);

// The same for a message "name: what is allowed": the field is "prefix.name".
absl::Status UnderField(absl::string_view prefix, const absl::Status& status);

// A status with an ErrorInfo and, where trying again helps, a RetryInfo.
absl::Status ErrorWithReason(absl::StatusCode code, absl::string_view reason,
                             absl::string_view message,
                             std::optional<absl::Duration> retry_delay = std::nullopt);

absl::Status WithRetry(absl::Status status, absl::Duration retry_delay);

// What the payloads say; empty or nullopt where there are none.
std::string ReasonOf(const absl::Status& status);
std::string FieldOf(const absl::Status& status);
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);

}  // namespace hiif::server

#endif  // SERVER_ERRORS_ERRORS_H_
