// The file of --token-file, and a token looked up in it.
#include "server/security/tokens.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(tokens) {
  const auto table = hiif::server::TokenTable::Parse(bytes);
  if (table.ok()) FUZZ_CHECK(table->Find(bytes) == nullptr);  // a token that holds its table
}
