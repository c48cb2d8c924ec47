// The `hiif` command.
#include "base/lock_order.h"
#include "client/cli/command_line.h"

int main(int argc, char** argv) {
  hiif::TrustLockOrder();
  return hiif::cli::RunCommandLine(argc, argv);
}
