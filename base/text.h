// Texts from outside, before they reach a log line, a header or somebody's terminal.
#ifndef BASE_TEXT_H_
#define BASE_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace hiif {

// Whether every byte is 0x20 to 0x7e: what a value of HTTP/2 metadata may hold (gRPC ends the
// process that sends another).
bool IsPrintableAscii(absl::string_view text);

// The text in quotes, shortened to 64 bytes, with C escapes for what is not printable ASCII.
std::string Quoted(absl::string_view text);

// The text, or its beginning and "..." where it is longer than max_bytes (at least 3), which is
// kept. It is never cut within a UTF-8 character, and each byte that is not UTF-8 becomes a "?":
// clients throw messages away whose strings are not.
std::string Shorten(absl::string_view text, size_t max_bytes);

// Control characters, which could move a terminal's cursor or forge a line, as "\x1b"; everything
// else as it is. keep_lines: but for ends of lines.
std::string Visible(absl::string_view text, bool keep_lines = false);

}  // namespace hiif

#endif  // BASE_TEXT_H_
