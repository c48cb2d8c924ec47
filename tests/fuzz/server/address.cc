// Addresses of --listen and --management-listen.
#include "server/config/address.h"

#include "tests/fuzz/target.h"

FUZZ_TARGET(address) {
  const auto address = hiif::server::ParseAddress(bytes);
  if (address.ok()) FUZZ_CHECK(address->port >= 0 && address->port <= 65535);
}
