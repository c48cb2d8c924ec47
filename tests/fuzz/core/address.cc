// Addresses of --listen and --management-listen.
#include <cstdint>

#include "server/config/address.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto address =
      hiif::server::ParseAddress(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (address.ok() && (address->port < 0 || address->port > 65535)) __builtin_trap();
  return 0;
}
