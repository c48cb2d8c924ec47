// The bytes of a picture that a command was given.
#ifndef CLIENT_CLI_PICTURE_BYTES_H_
#define CLIENT_CLI_PICTURE_BYTES_H_

#include <stop_token>
#include <string>

#include "absl/status/statusor.h"

namespace hiif::cli {

// path: "-" is standard input. Into memory: what is mapped ends the whole run where somebody cuts
// the file meanwhile. No more than its beginning where that is no picture's: it may be a film, or
// have no end at all; InvalidArgument. A named pipe that nobody writes into is given up after ten
// seconds; FailedPrecondition. Cancelled by `stop`. No message has the path in it.
absl::StatusOr<std::string> ReadPicture(const std::string& path, const std::stop_token& stop);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_PICTURE_BYTES_H_
