#include "server/fronts/http/parser.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "boost/beast/http/error.hpp"
#include "server/errors/errors.h"

namespace hiif::server::http {
namespace {

absl::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

RequestParser::RequestParser(ByteBudget* budget) : budget_(budget) {
  header_limit(kMaxHead);
  // Append() has a limit of its own. Beast 1.74 takes "none" for 0.
  body_limit(std::numeric_limits<uint64_t>::max());
}

void RequestParser::on_request_impl(boost::beast::http::verb, string_view method,
                                    string_view target, int version, error_code&) {
  request_.method = std::string(View(method));
  target_ = std::string(View(target));
  http10_ = version < 11;
}

void RequestParser::on_field_impl(boost::beast::http::field, string_view name, string_view value,
                                  error_code& error) {
  // Trailers come behind the body, and nobody asks for them.
  if (is_header_done()) return;
  // Beast's own limit begins anew with each put().
  head_bytes_ += static_cast<int64_t>(name.size() + value.size() + 4);
  if (head_bytes_ > kMaxHead) {
    error = boost::beast::http::error::header_limit;
    return;
  }
  const std::string key = absl::AsciiStrToLower(View(name));
  repeated_host_ = repeated_host_ || (key == "host" && request_.headers.contains(key));
  // An empty one that is repeated still counts as repeated.
  const auto [header, first] = request_.headers.try_emplace(key, View(value));
  if (!first) absl::StrAppend(&header->second, ", ", View(value));
}

void RequestParser::on_body_init_impl(const boost::optional<uint64_t>& length, error_code&) {
  if (length) announced_ = static_cast<int64_t>(std::min<uint64_t>(*length, INT64_MAX));
}

absl::Status RequestParser::CheckSize(int64_t bytes) const {
  if (bytes > max_body_)
    return InvalidField("body", absl::StrCat("the file is larger than this server's limit of ",
                                             max_body_, " bytes (--max-upload-bytes)"));
  if (bytes > budget_->total())
    return ErrorWithReason(
        absl::StatusCode::kResourceExhausted, kReasonTooLarge,
        absl::StrCat("the file is larger than the ", budget_->total(),
                     " bytes that this server's uploads may hold together (--memory-bytes)"));
  return absl::OkStatus();
}

absl::Status RequestParser::CheckAnnounced() const {
  const auto announced = content_length();
  if (!announced) return absl::OkStatus();
  return CheckSize(static_cast<int64_t>(std::min<uint64_t>(*announced, INT64_MAX)));
}

bool RequestParser::Grow(int64_t needed) {
  // Twice as much each time, but not more than was announced: memory follows what has come.
  int64_t room = std::max<int64_t>(2 * needed, 64 << 10);
  if (announced_ >= needed) room = std::min(room, announced_);
  const int64_t more = budget_->TakeOrLess(room - taken_, needed - taken_);
  if (more == 0) return false;
  taken_ += more;
  // std::string doubles what it reserves, too, but touches no more of it.
  body_.reserve(static_cast<size_t>(taken_));
  return true;
}

size_t RequestParser::Append(string_view data, error_code& error) {
  const auto needed = static_cast<int64_t>(body_.size() + data.size());
  refusal_ = CheckSize(needed);
  too_large_ = !refusal_.ok();
  if (!too_large_ && needed > taken_ && !Grow(needed))
    refusal_ = ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonMemory,
                               "too many files are being uploaded at once", absl::Seconds(1));
  if (!refusal_.ok()) {
    TakeBody();  // what is refused holds nothing, however long its connection lasts
    error = boost::beast::http::error::body_limit;
    return 0;
  }
  body_.append(data.data(), data.size());
  return data.size();
}

std::string RequestParser::TakeBody() {
  budget_->Give(std::exchange(taken_, 0));
  return std::exchange(body_, {});
}

}  // namespace hiif::server::http
