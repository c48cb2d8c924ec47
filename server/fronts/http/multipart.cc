#include "server/fronts/http/multipart.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "server/errors/errors.h"

namespace hiif::server::http {
namespace {

constexpr size_t kMaxParts = 64;
constexpr size_t kMaxHead = 4096;

absl::Status Broken(absl::string_view what) {
  return InvalidField("body", absl::StrCat("not multipart/form-data: ", what));
}

// Value of `name="..."` in a header; false: it is not there. A quote in a value is sent as %22
// (HTML) or \" (RFC 2183).
bool Parameter(absl::string_view header, absl::string_view name, std::string* value) {
  const std::string key = absl::StrCat(name, "=");
  for (absl::string_view rest = header; !rest.empty();) {
    const size_t semicolon = rest.find(';');
    if (semicolon == absl::string_view::npos) return false;
    rest = absl::StripLeadingAsciiWhitespace(rest.substr(semicolon + 1));
    if (!absl::StartsWithIgnoreCase(rest, key)) continue;
    rest.remove_prefix(key.size());
    value->clear();
    if (!absl::ConsumePrefix(&rest, "\"")) {
      *value = std::string(absl::StripAsciiWhitespace(rest.substr(0, rest.find(';'))));
      return true;
    }
    for (size_t i = 0; i < rest.size() && rest[i] != '"'; ++i) {
      if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
      value->push_back(rest[i]);
    }
    return true;
  }
  return false;
}

// What may follow a boundary: another one may begin with the same letters.
bool Delimits(absl::string_view rest) {
  return absl::StartsWith(rest, "--") || absl::StartsWith(rest, "\r\n") ||
         absl::StartsWith(rest, " ") || absl::StartsWith(rest, "\t");
}

absl::StatusOr<Part> ParseHead(absl::string_view head) {
  Part part;
  bool named = false;
  for (const absl::string_view line : absl::StrSplit(head, "\r\n")) {
    if (!absl::StartsWithIgnoreCase(line, "content-disposition:")) continue;
    std::string file;
    named = Parameter(line, "name", &part.name);
    part.file = Parameter(line, "filename", &file) || Parameter(line, "filename*", &file);
  }
  if (!named) return Broken("a part without a name");
  return part;
}

}  // namespace

absl::StatusOr<std::string> BoundaryOf(absl::string_view content_type) {
  std::string boundary;
  if (!Parameter(content_type, "boundary", &boundary) || boundary.empty() || boundary.size() > 70)
    return Broken("Content-Type has no boundary of 1 to 70 characters");
  return boundary;
}

absl::StatusOr<std::vector<Part>> ParseMultipart(absl::string_view body,
                                                 absl::string_view boundary) {
  const std::string delimiter = absl::StrCat("\r\n--", boundary);
  // Where the next one begins, or the end. Linear: its first byte is nowhere else in it.
  const auto next = [&](absl::string_view text) {
    size_t at = text.find(delimiter);
    while (at != absl::string_view::npos && !Delimits(text.substr(at + delimiter.size())))
      at = text.find(delimiter, at + delimiter.size());
    return std::min(at, text.size());
  };
  // The first delimiter may stand at the very beginning.
  absl::string_view rest = body;
  if (absl::StartsWith(rest, absl::string_view(delimiter).substr(2)) &&
      Delimits(rest.substr(delimiter.size() - 2))) {
    rest.remove_prefix(delimiter.size() - 2);
  } else {
    const size_t begin = next(rest);
    if (begin == rest.size()) return Broken("the boundary is nowhere in it");
    rest.remove_prefix(begin + delimiter.size());
  }
  std::vector<Part> parts;
  while (!absl::StartsWith(rest, "--")) {
    if (parts.size() == kMaxParts) return Broken(absl::StrCat("more than ", kMaxParts, " parts"));
    // Blanks may follow a boundary.
    while (absl::ConsumePrefix(&rest, " ") || absl::ConsumePrefix(&rest, "\t")) {
    }
    if (!absl::StartsWith(rest, "\r\n")) return Broken("no line end behind a boundary");
    const size_t head_end = rest.substr(0, kMaxHead).find("\r\n\r\n");
    if (head_end == absl::string_view::npos)
      return Broken(absl::StrCat("the head of a part does not end within ", kMaxHead, " bytes"));
    HIIF_ASSIGN_OR_RETURN(Part part, ParseHead(rest.substr(2, std::max<size_t>(head_end, 2) - 2)));
    // The empty line's first line end may be that of the delimiter of an empty part.
    rest.remove_prefix(head_end + 2);
    const size_t end = next(rest);
    if (end == rest.size()) return Broken("it ends before its last boundary");
    part.data = rest.substr(0, end);
    absl::ConsumePrefix(&part.data, "\r\n");
    rest.remove_prefix(end + delimiter.size());
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace hiif::server::http
