#include "client/cli/interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

namespace hiif::cli {
namespace {

// SIGUSR2, sent by the destructor, ends the watcher.
sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR2}) sigaddset(&set, signal);
  return set;
}

}  // namespace

Interrupt::Interrupt() {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of a write
  const sigset_t set = Watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  watcher_ = std::thread([this] { Watch(); });
}

Interrupt::~Interrupt() {
  done_ = true;
  pthread_kill(watcher_.native_handle(), SIGUSR2);
  watcher_.join();
}

void Interrupt::Watch() {
  const sigset_t set = Watched();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (done_) return;
    if (signal == SIGUSR2) continue;
    if (signal_ != 0) _exit(128 + signal);
    signal_ = signal;
    source_.request_stop();
  }
}

}  // namespace hiif::cli
