#include "base/text.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace hiif {

bool IsPrintableAscii(absl::string_view text) {
  for (const char c : text)
    if (c < 0x20 || c > 0x7e) return false;
  return true;
}

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CEscape(Shorten(text, 64)), "\"");
}

std::string Shorten(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes - 3;
  // 10xxxxxx continues a character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), "...");
}

}  // namespace hiif
