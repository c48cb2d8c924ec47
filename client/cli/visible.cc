#include "client/cli/visible.h"

#include "absl/strings/str_format.h"

namespace hiif::cli {

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

}  // namespace hiif::cli
