// Shell completion and the manual page, both made from the table of commands and flags.
#ifndef CLIENT_CLI_SHELL_TEXT_H_
#define CLIENT_CLI_SHELL_TEXT_H_

#include <string>

#include "absl/status/statusor.h"

namespace CLI {
class App;
}  // namespace CLI

namespace hiif::cli {

// shell: "bash", "zsh" or "fish"; InvalidArgument for any other. What is printed is to be sourced,
// or put where the shell looks for completions.
absl::StatusOr<std::string> Completion(const CLI::App& app, const std::string& shell);

// Roff, section 1.
std::string ManPage(const CLI::App& app);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_SHELL_TEXT_H_
