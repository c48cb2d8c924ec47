// How commands say what went wrong.
#ifndef CLIENT_CLI_ERROR_H_
#define CLIENT_CLI_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cli/flags.h"

namespace hiif::cli {

// "hiif COMMAND: MESSAGE" on standard error; returns the exit code of the error. A wrong flag
// points to the help. In a log in JSON it is a line of that.
int Fail(absl::string_view command, const absl::Status& status, const LogFlags& log = {});

// Messages name a file once: where who prints them has its name before them, they do not have it
// inside ("cannot open NAME: ..."), else they begin with it.
absl::Status WithoutName(const std::string& name, const absl::Status& status);
absl::Status WithName(const std::string& name, const absl::Status& status);

// "warning NAME: WARNING" on standard error.
void PrintWarning(const std::string& name, absl::string_view warning);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_ERROR_H_
