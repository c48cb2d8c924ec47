// The file of --token-file, and a token looked up in it.
#include <cstdint>

#include "server/security/tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto table = hiif::server::TokenTable::Parse(text);
  if (table.ok() && table->Find(text) != nullptr) __builtin_trap();  // a token that holds its table
  return 0;
}
