#include "server/fronts/http/message.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "boost/beast/http/status.hpp"
#include "server/errors/errors.h"

namespace hiif::server::http {
namespace {

constexpr size_t kMaxParameters = 64;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

absl::StatusOr<std::string> Decode(absl::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return InvalidField(
            "url", "a % is followed by two hexadecimal digits; one that stands for itself is %25");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return InvalidField("url", "a byte 0 is not allowed");
    decoded.push_back(c);
  }
  return decoded;
}

// How much `offer` is wanted by one media range, 0 to 1; -1: the range is about something else.
// precision: of the range, 0 for */*, 1 for image/*, 2 for image/png.
double Quality(absl::string_view range, absl::string_view offer, int* precision) {
  std::vector<absl::string_view> parts = absl::StrSplit(range, ';');
  const absl::string_view type = absl::StripAsciiWhitespace(parts[0]);
  const absl::string_view family = offer.substr(0, offer.find('/') + 1);
  if (type == "*/*" || type == "*") {
    *precision = 0;
  } else if (absl::EndsWith(type, "/*") &&
             absl::EqualsIgnoreCase(type.substr(0, type.size() - 1), family)) {
    *precision = 1;
  } else if (absl::EqualsIgnoreCase(type, offer)) {
    *precision = 2;
  } else {
    return -1;
  }
  for (size_t i = 1; i < parts.size(); ++i) {
    absl::string_view parameter = absl::StripAsciiWhitespace(parts[i]);
    double q;
    if (absl::StartsWithIgnoreCase(parameter, "q=") && absl::SimpleAtod(parameter.substr(2), &q))
      return std::clamp(q, 0.0, 1.0);
  }
  return 1;
}

// "http://host/path", as clients of proxies send it (RFC 9112, 3.2.2), is "/path".
std::string WithoutHost(absl::string_view target) {
  if (!absl::StartsWithIgnoreCase(target, "http://") &&
      !absl::StartsWithIgnoreCase(target, "https://"))
    return std::string(target);
  target.remove_prefix(target.find("//") + 2);
  target.remove_prefix(std::min(target.find_first_of("/?"), target.size()));
  return absl::StrCat(absl::StartsWith(target, "/") ? "" : "/", target);
}

}  // namespace

const std::string& Request::Header(const std::string& name) const {
  static const std::string* const empty = new std::string;
  const auto found = headers.find(name);
  return found == headers.end() ? *empty : found->second;
}

absl::StatusOr<Fields> ParseQuery(absl::string_view text) {
  Fields fields;
  for (const absl::string_view part : absl::StrSplit(text, '&', absl::SkipEmpty())) {
    if (fields.size() == kMaxParameters)
      return InvalidField("url", absl::StrCat("at most ", kMaxParameters, " parameters"));
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    HIIF_ASSIGN_OR_RETURN(std::string name, Decode(pair.first, true));
    HIIF_ASSIGN_OR_RETURN(std::string value, Decode(pair.second, true));
    fields.emplace_back(std::move(name), std::move(value));
  }
  return fields;
}

absl::Status ParseTarget(absl::string_view text, Request* request) {
  const std::string target = WithoutHost(text);
  if (target == "*" && request->method == "OPTIONS") {
    request->path = target;
    return absl::OkStatus();
  }
  const size_t question = target.find('?');
  HIIF_ASSIGN_OR_RETURN(request->path,
                        Decode(absl::string_view(target).substr(0, question), false));
  if (!absl::StartsWith(request->path, "/"))
    return InvalidField("url", "a path begins with a slash");
  if (question == std::string::npos) return absl::OkStatus();
  HIIF_ASSIGN_OR_RETURN(request->query, ParseQuery(absl::string_view(target).substr(question + 1)));
  return absl::OkStatus();
}

int Negotiate(absl::string_view accept, const std::vector<absl::string_view>& offers) {
  if (absl::StripAsciiWhitespace(accept).empty()) return 0;
  const std::vector<absl::string_view> ranges = absl::StrSplit(accept, ',');
  int best = -1;
  double most = 0;
  for (size_t i = 0; i < offers.size(); ++i) {
    double wanted = 0;
    int closest = -1;  // the most precise range decides
    for (const absl::string_view range : ranges) {
      int precision;
      const double quality = Quality(range, offers[i], &precision);
      if (quality < 0 || precision <= closest) continue;
      closest = precision;
      wanted = quality;
    }
    if (wanted > most) {
      most = wanted;
      best = static_cast<int>(i);
    }
  }
  return best;
}

void AppendField(absl::string_view name, absl::string_view value, std::string* out) {
  absl::StrAppend(out, name, ": ");
  for (const char c : value)
    if (c >= 0x20 && c < 0x7f) out->push_back(c);
  absl::StrAppend(out, "\r\n");
}

std::string FormatHead(int status, const Fields& headers) {
  const auto reason = status == 499
                          ? "Client Closed Request"
                          : std::string(boost::beast::http::obsolete_reason(
                                boost::beast::http::int_to_status(static_cast<unsigned>(status))));
  std::string head = absl::StrCat("HTTP/1.1 ", status, " ", reason, "\r\n");
  for (const auto& [name, value] : headers) AppendField(name, value, &head);
  absl::StrAppend(&head, "\r\n");
  return head;
}

}  // namespace hiif::server::http
