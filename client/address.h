// Addresses of servers as people write them. Internal to client/.
#ifndef CLIENT_ADDRESS_H_
#define CLIENT_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hiif::client {

struct ServerAddress {
  std::string target;         // for gRPC
  bool tls = false;           // "https://" was before it
  bool this_machine = false;  // a unix socket or a loopback address: never leaves it
};

// "host:port", "[::1]:port", "unix:/path", "dns:///name:port", "http://host:port",
// "https://host:port" (port 443 where none is named). InvalidArgument, saying what is wrong.
absl::StatusOr<ServerAddress> ParseServerAddress(absl::string_view text);

}  // namespace hiif::client

#endif  // CLIENT_ADDRESS_H_
