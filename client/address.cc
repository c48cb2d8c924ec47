#include "client/address.h"

#include <arpa/inet.h>

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace hiif::client {
namespace {

// By number, not by how a name begins: "127.0.0.1.example" is somewhere else.
bool IsLoopback(const std::string& host) {
  if (absl::AsciiStrToLower(host) == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 &&
         (IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127));
}

struct HostPort {
  std::string host;
  absl::string_view port;  // empty: none
};

HostPort Split(absl::string_view text) {
  if (absl::StartsWith(text, "[")) {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return {std::string(text), ""};
    absl::string_view rest = text.substr(end + 1);
    if (!absl::ConsumePrefix(&rest, ":")) rest = "";
    return {std::string(text.substr(1, end - 1)), rest};
  }
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos || text.find(':') != colon) return {std::string(text), ""};
  return {std::string(text.substr(0, colon)), text.substr(colon + 1)};
}

// A path as gRPC takes it, which reads a URI.
std::string InUri(absl::string_view path) {
  return absl::StrReplaceAll(path, {{"%", "%25"}, {"#", "%23"}, {"?", "%3F"}});
}

}  // namespace

absl::StatusOr<ServerAddress> ParseServerAddress(absl::string_view text) {
  ServerAddress address;
  absl::string_view rest = absl::StripAsciiWhitespace(text);
  if (absl::StartsWith(rest, "unix:") || absl::StartsWith(rest, "unix-abstract:"))
    return ServerAddress{InUri(rest), false, true};
  absl::string_view scheme;
  bool web = false;
  for (const absl::string_view known :
       {"http://", "https://", "grpc://", "grpcs://", "dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (!absl::ConsumePrefix(&rest, known)) continue;
    address.tls = known == "https://" || known == "grpcs://";
    web = absl::EndsWith(known, "://");
    if (!web) scheme = known;
    break;
  }
  if (web) {
    const size_t path = rest.find('/');
    if (path != absl::string_view::npos && path + 1 != rest.size())
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\" names a path: a server is host:port alone"));
    rest = rest.substr(0, path);
  }
  const HostPort parts = Split(rest);
  int port = 0;
  const bool default_port = address.tls && parts.port.empty();
  if (parts.host.empty() || rest.find_first_of("/ ") != absl::string_view::npos ||
      (!default_port && (!absl::SimpleAtoi(parts.port, &port) || port < 1 || port > 65535)))
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text,
                     "\" is no address of a server: host:port is needed, as localhost:7443, "
                     "[::1]:7443 or unix:/path"));
  address.target = absl::StrCat(scheme, rest, default_port ? ":443" : "");
  address.this_machine = IsLoopback(parts.host);
  return address;
}

}  // namespace hiif::client
