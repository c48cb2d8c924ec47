#include "base/text.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hiif {

namespace {

// Bytes of the UTF-8 character that `text` begins with (RFC 3629); 0: it begins with none.
size_t CharacterBytes(absl::string_view text) {
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned lead = byte(0), next = byte(1);
  const size_t size = lead < 0x80                   ? 1
                      : lead >= 0xc2 && lead < 0xe0 ? 2
                      : lead >= 0xe0 && lead < 0xf0 ? 3
                      : lead >= 0xf0 && lead < 0xf5 ? 4
                                                    : 0;
  for (size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // More bytes than it needs, halves of UTF-16's pairs, beyond U+10FFFF.
  if ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next >= 0xa0) ||
      (lead == 0xf0 && next < 0x90) || (lead == 0xf4 && next >= 0x90))
    return 0;
  return size;
}

// Not cut within a UTF-8 character.
std::string Cut(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes - 3;
  // 10xxxxxx continues a character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), "...");
}

}  // namespace

bool IsPrintableAscii(absl::string_view text) {
  for (const char c : text)
    if (c < 0x20 || c > 0x7e) return false;
  return true;
}

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CEscape(Cut(text, 64)), "\"");
}

std::string Shorten(absl::string_view text, size_t max_bytes) {
  std::string out = Cut(text, max_bytes);
  for (size_t i = 0; i < out.size();) {
    const size_t size = CharacterBytes(absl::string_view(out).substr(i));
    if (size == 0) out[i] = '?';
    i += std::max<size_t>(size, 1);
  }
  return out;
}

std::string Visible(absl::string_view text, bool keep_lines) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    const bool c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;  // U+0080 to U+009F in UTF-8
    if (c1) {
      absl::StrAppendFormat(&out, "\\x%02x", next);
      ++i;
    } else if ((c < 0x20 && !(keep_lines && c == '\n')) || c == 0x7f) {
      absl::StrAppendFormat(&out, "\\x%02x", c);
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace hiif
