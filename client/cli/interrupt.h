// Ctrl-C, SIGTERM and the end of the terminal as a stop token.
#ifndef CLIENT_CLI_INTERRUPT_H_
#define CLIENT_CLI_INTERRUPT_H_

#include <atomic>
#include <stop_token>
#include <thread>

namespace hiif::cli {

// From its making on, SIGINT, SIGTERM and SIGHUP, but those that are ignored, request a stop
// instead of ending the process; the second one ends it at once. One per process, made before any
// other thread: they inherit the blocked signals.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  // 128 + signal; 0: no signal came.
  int exit_code() const { return signal_ == 0 ? 0 : 128 + signal_; }

 private:
  void Watch();

  std::stop_source source_;
  std::atomic<int> signal_ = 0;
  std::atomic<bool> done_ = false;
  std::thread watcher_;
};

}  // namespace hiif::cli

#endif  // CLIENT_CLI_INTERRUPT_H_
