// How commands say what went wrong.
#ifndef CLIENT_CLI_ERROR_H_
#define CLIENT_CLI_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hiif::cli {

// "hiif COMMAND: MESSAGE" on standard error; returns the exit code of the error. A wrong flag
// points to the help.
int Fail(absl::string_view command, const absl::Status& status);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_ERROR_H_
