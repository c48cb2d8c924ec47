#include "server/config/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace hiif::server {
namespace {

// All addresses as "::", however it is written, and an IPv4 address in one of IPv6 as what it is.
std::string Canonical(const std::string& host) {
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return host;
  if (IN6_IS_ADDR_UNSPECIFIED(&v6)) return "::";
  if (!IN6_IS_ADDR_V4MAPPED(&v6)) return host;
  char v4[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &v6.s6_addr[12], v4, sizeof(v4));
  return v4;
}

}  // namespace

bool Address::loopback() const {
  if (unix_socket || host == "localhost") return true;
  // Names that only look like addresses ("127.example.org") are somebody's.
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string Address::ToString() const {
  if (unix_socket) return absl::StrCat("unix:", path);
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]:", port)
                                      : absl::StrCat(host, ":", port);
}

absl::StatusOr<Address> ParseAddress(absl::string_view text) {
  Address address;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    address.unix_socket = true;
    address.path = std::string(rest);
    if (address.path.empty() || address.path.size() > 107)
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\": the path of a unix socket has 1 to 107 characters"));
    return address;
  }
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(colon + 1), &address.port) || address.port < 0 ||
      address.port > 65535)
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not host:port, [v6 address]:port or unix:/path"));
  absl::string_view host = text.substr(0, colon);
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);
  } else if (absl::StrContains(host, ':')) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": write [", host, "]:", address.port));
  }
  address.host = host.empty() ? "::" : Canonical(std::string(host));
  return address;
}

}  // namespace hiif::server
