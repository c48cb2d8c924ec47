// hiif-train: see docs/training.md.
#include <csignal>
#include <iostream>

#include "train/command.h"

namespace {

std::atomic<bool> stop_requested = false;

void RequestStop(int signal) {
  stop_requested = true;
  std::signal(signal, SIG_DFL);  // a second one ends the process at once
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, RequestStop);
  std::signal(SIGTERM, RequestStop);
  return hiif::train::RunCommand(argc, argv, stop_requested, std::cout, std::cerr);
}
