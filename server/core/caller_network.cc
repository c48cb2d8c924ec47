#include "server/core/caller_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace hiif::server {

std::string CallerNetwork(absl::string_view address) {
  std::string text(address);
  in6_addr name{};
  if (inet_pton(AF_INET6, text.c_str(), &name) != 1) return text;
  char out[INET6_ADDRSTRLEN] = "";
  if (IN6_IS_ADDR_V4MAPPED(&name)) return inet_ntop(AF_INET, &name.s6_addr[12], out, sizeof(out));
  const bool unique_local = (name.s6_addr[0] & 0xfe) == 0xfc;  // fc00::/7
  if (unique_local || IN6_IS_ADDR_LOOPBACK(&name) || IN6_IS_ADDR_LINKLOCAL(&name)) return text;
  std::fill(std::begin(name.s6_addr) + 8, std::end(name.s6_addr), 0);
  return absl::StrCat(inet_ntop(AF_INET6, &name, out, sizeof(out)), "/64");
}

}  // namespace hiif::server
