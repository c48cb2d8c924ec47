#include "server/core/trace_id.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace hiif::server {
namespace {

bool IsLowerHex(absl::string_view text) {
  for (const char c : text)
    if (!absl::ascii_isdigit(c) && !(c >= 'a' && c <= 'f')) return false;
  return true;
}

}  // namespace

std::string TraceId(absl::string_view traceparent) {
  const std::vector<absl::string_view> parts = absl::StrSplit(traceparent, '-');
  if (parts.size() < 4 || parts[0].size() != 2 || parts[1].size() != 32 || parts[2].size() != 16 ||
      parts[3].size() != 2 || parts[0] == "ff" || (parts[0] == "00" && parts.size() != 4))
    return "";
  for (int i = 0; i < 4; ++i)
    if (!IsLowerHex(parts[i])) return "";
  if (parts[1].find_first_not_of('0') == absl::string_view::npos) return "";
  return std::string(parts[1]);
}

}  // namespace hiif::server
