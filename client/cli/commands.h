// The commands. Each returns the exit code; what went wrong has been said on standard error.
#ifndef CLIENT_CLI_COMMANDS_H_
#define CLIENT_CLI_COMMANDS_H_

#include "client/cli/flags.h"
#include "client/cli/interrupt.h"

namespace hiif::cli {

int RunUpscale(const UpscaleFlags& flags, const Interrupt& interrupt);
int RunModels(const ModelsFlags& flags, const Interrupt& interrupt);
int RunQuery(const QueryFlags& flags, const Interrupt& interrupt);
int RunBench(const BenchFlags& flags, const Interrupt& interrupt);
int RunCompare(const CompareFlags& flags, const Interrupt& interrupt);
int RunHealth(const HealthFlags& flags, const Interrupt& interrupt);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_COMMANDS_H_
