// The name that a client gives its request.
#ifndef SERVER_CORE_REQUEST_ID_H_
#define SERVER_CORE_REQUEST_ID_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hiif::server {

// The id that a call is known by: the client's, or a new one where it is empty. InvalidArgument
// naming the field: longer than 128 bytes, or not printable ASCII. It goes into metadata, where
// gRPC ends the process for any other byte.
absl::StatusOr<std::string> RequestId(absl::string_view field, absl::string_view asked);

// 16 hexadecimal digits.
std::string NewRequestId();

}  // namespace hiif::server

#endif  // SERVER_CORE_REQUEST_ID_H_
