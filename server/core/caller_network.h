// Who counts as one caller where a caller is known by its address.
#ifndef SERVER_CORE_CALLER_NETWORK_H_
#define SERVER_CORE_CALLER_NETWORK_H_

#include <string>

#include "absl/strings/string_view.h"

namespace hiif::server {

// For limits and fairness, not for logs. "2001:db8:1:2::/64" of any IPv6 address in it: one machine
// has as many of them as it likes. An IPv4 address of itself, also where it is written as an IPv6
// one. Loopback, link-local and unique local addresses (fc00::/7), whose networks are one's own,
// and what is no address stay as they are.
std::string CallerNetwork(absl::string_view address);

}  // namespace hiif::server

#endif  // SERVER_CORE_CALLER_NETWORK_H_
