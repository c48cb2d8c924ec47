// The `hiif` command.
#include "client/cli/command_line.h"

int main(int argc, char** argv) { return hiif::cli::RunCommandLine(argc, argv); }
