#include "base/stray_lines.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

namespace hiif {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitizer = true;
#elif defined(__has_feature)
constexpr bool kSanitizer = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitizer = false;
#endif

constexpr size_t kMaxLine = 1024;
constexpr size_t kPiece = size_t{1} << 15;

std::FILE* console = nullptr;  // null: as it was at the start

// For the handler of an abort, which may do little.
std::atomic<int> real_error = -1;
std::atomic<int> pipe_end = -1;
char kept[2 * kMaxLine];  // the last lines that nobody was told of
std::atomic<size_t> kept_bytes = 0;

void Keep(absl::string_view line) {
  size_t bytes = kept_bytes.load();
  if (bytes + line.size() + 1 > sizeof(kept)) bytes = 0;
  std::memcpy(kept + bytes, line.data(), line.size());
  kept[bytes + line.size()] = '\n';
  kept_bytes = bytes + line.size() + 1;
}

// What ends the process (assert(), std::terminate(), GLib without memory) says why before it does.
void OnAbort(int signal) {
  constexpr int kTurnMs = 100;
  poll(nullptr, 0, kTurnMs);  // the reader's
  const int real = real_error;
  dup2(real, STDERR_FILENO);
  bool written = write(real, kept, kept_bytes) >= 0;
  char rest[kPiece];
  for (ssize_t n = 0; written && (n = read(pipe_end, rest, sizeof(rest))) > 0;)
    written = write(real, rest, n) >= 0;
  raise(signal);  // by default, once this is over
}

void HandleAborts() {
  struct sigaction action {};
  action.sa_handler = OnAbort;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGABRT, SIGTRAP}) sigaction(signal, &action, nullptr);
}

}  // namespace

std::FILE* Console() { return console == nullptr ? stderr : console; }

bool StrayLines::Works() { return !kSanitizer; }

StrayLines::StrayLines(Take take) : take_(std::move(take)) {
  if (!Works()) return;
  const int real = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  int ends[2];
  if (real < 0 || pipe2(stop_, O_CLOEXEC) != 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return;
  std::fflush(stderr);
  console = fdopen(real, "w");
  setvbuf(console, nullptr, _IONBF, 0);
  pipe_ = ends[0];
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  real_error = real;
  pipe_end = pipe_;
  HandleAborts();
  // Signals are for other threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  reader_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

StrayLines::~StrayLines() {
  if (!reader_.joinable()) return;
  std::fflush(stderr);
  dup2(real_error, STDERR_FILENO);
  close(stop_[1]);
  reader_.join();
  for (const int signal : {SIGABRT, SIGTRAP}) ::signal(signal, SIG_DFL);
  close(stop_[0]);
  close(pipe_);
}

void StrayLines::Run() {
  std::string line;
  const auto end_line = [&] {
    if (!line.empty()) take_ ? take_(line) : Keep(line);
    line.clear();
  };
  char piece[kPiece];
  pollfd polled[] = {{pipe_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
  while (true) {
    poll(polled, 2, -1);
    const ssize_t n = read(pipe_, piece, sizeof(piece));
    for (ssize_t i = 0; i < n; ++i) {
      if (piece[i] == '\n')
        end_line();
      else if (line.size() < kMaxLine)
        line.push_back(piece[i]);
    }
    if (n <= 0 && polled[1].revents != 0) break;
    constexpr int kRestMs = 5;
    if (n == sizeof(piece)) poll(nullptr, 0, kRestMs);
  }
  end_line();
}

}  // namespace hiif
