#include "server/fronts/http/problem.h"

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "boost/beast/http/status.hpp"
#include "nlohmann/json.hpp"
#include "server/errors/errors.h"

namespace hiif::server::http {
namespace {

constexpr size_t kMaxDetail = 1500;

std::string Title(int status) {
  if (status == 499) return "Client Closed Request";
  return std::string(boost::beast::http::obsolete_reason(
      boost::beast::http::int_to_status(static_cast<unsigned>(status))));
}

}  // namespace

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kFailedPrecondition:
      return 412;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

Answer Problem(const absl::Status& status, absl::string_view request_id, int http_status) {
  Answer answer;
  answer.status = http_status != 0 ? http_status : HttpStatus(status.code());
  nlohmann::ordered_json problem = {{"type", "about:blank"},
                                    {"title", Title(answer.status)},
                                    {"status", answer.status},
                                    {"detail", Shorten(status.message(), kMaxDetail)},
                                    {"code", absl::StatusCodeToString(status.code())}};
  if (const std::string reason = ReasonOf(status); !reason.empty()) problem["reason"] = reason;
  if (const std::string field = FieldOf(status); !field.empty()) problem["field"] = field;
  answer.headers = {{"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"}};
  if (const auto retry = RetryDelayOf(status)) {
    // Whole seconds, and not less than what gRPC's clients are told.
    const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(*retry, absl::Seconds(1)));
    problem["retry_after_seconds"] = absl::ToDoubleSeconds(*retry);
    answer.headers.emplace_back("Retry-After", absl::StrCat(seconds));
  }
  if (answer.status == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (!request_id.empty()) {
    problem["request_id"] = std::string(request_id);
    answer.headers.emplace_back("X-Request-Id", std::string(request_id));
  }
  // What clients sent may stand in a message: bytes that are not UTF-8 are replaced.
  answer.body =
      problem.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  return answer;
}

}  // namespace hiif::server::http
