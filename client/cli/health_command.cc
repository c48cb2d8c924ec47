#include <cstdio>

#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/error.h"
#include "client/cli/exit_code.h"

namespace hiif::cli {

int RunHealth(const HealthFlags& flags, const Interrupt& interrupt) {
  auto connection = Connection::Open(flags.connection, interrupt.token());
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  if (!connection.ok()) return Fail("health", connection.status());
  const auto health = (*connection)->client().CheckHealth(flags.service, (*connection)->call());
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  if (!health.ok()) return Fail("health", (*connection)->Explain(health.status()));
  switch (*health) {
    case client::Serving::kServing:
      std::puts("SERVING");
      return kExitOk;
    case client::Serving::kNotServing:
      std::puts("NOT_SERVING");
      return kExitSomeFailed;
    case client::Serving::kUnknown:
      break;
  }
  std::puts("UNKNOWN");
  return kExitSomeFailed;
}

}  // namespace hiif::cli
