// Addresses to listen on.
#ifndef SERVER_CONFIG_ADDRESS_H_
#define SERVER_CONFIG_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hiif::server {

struct Address {
  bool unix_socket = false;
  std::string path;  // of a unix socket
  std::string host;  // numeric or a name, without brackets
  int port = 0;      // 0: any that is free

  // Reachable from this machine only: a unix socket, 127.0.0.0/8, ::1 or "localhost".
  bool loopback() const;
  // As gRPC takes it: "unix:/path", "host:port", "[::1]:port".
  std::string ToString() const;
};

// "host:port", "[v6]:port", ":port" (all interfaces), "unix:/path". InvalidArgument.
absl::StatusOr<Address> ParseAddress(absl::string_view text);

}  // namespace hiif::server

#endif  // SERVER_CONFIG_ADDRESS_H_
