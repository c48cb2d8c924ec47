// Names and messages of others, for a terminal.
#ifndef CLIENT_CLI_VISIBLE_H_
#define CLIENT_CLI_VISIBLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace hiif::cli {

// Control characters, which could move the cursor or forge a line, as "\x1b"; everything else as it
// is. keep_lines: but for ends of lines.
std::string Visible(absl::string_view text, bool keep_lines = false);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_VISIBLE_H_
