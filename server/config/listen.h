// Sockets that listen.
#ifndef SERVER_CONFIG_LISTEN_H_
#define SERVER_CONFIG_LISTEN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/address.h"

namespace hiif::server {

// Listening, non-blocking, closed on exec. Who gets one closes it.
struct ListeningSocket {
  int fd = -1;
  Address address;  // numeric, with the port that was given
};

// One socket for each address that the host's name has ("localhost": 127.0.0.1 and ::1; "[::]"
// takes IPv4 too, and IPv4 alone on a machine without IPv6), all on the same port. A unix socket
// that nobody listens on any more is replaced. FailedPrecondition says what is in the way.
absl::StatusOr<std::vector<ListeningSocket>> Listen(const Address& address);

}  // namespace hiif::server

#endif  // SERVER_CONFIG_LISTEN_H_
