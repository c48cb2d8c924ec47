// Standard error belongs to the program: its lines may be JSON, and a terminal shows its progress.
// Libraries print there too (libjxl and libheif, LibTorch, glibc).
#ifndef BASE_STRAY_LINES_H_
#define BASE_STRAY_LINES_H_

#include <cstdio>
#include <functional>
#include <thread>

#include "absl/strings/string_view.h"

namespace hiif {

// For the program's own lines: standard error, whoever has descriptor 2.
std::FILE* Console();

// While it lives, descriptor 2 is a pipe, for child processes too, and what is printed there comes
// by the line. One at a time, made before there are other threads. Who prints never waits: what
// comes faster than it is taken (some MB/s) is lost. Under a sanitizer, whose reports end the
// process in its own way, it does nothing.
class StrayLines {
 public:
  // Of at most a kilobyte, without its end. Called on a thread of its own.
  using Take = std::function<void(absl::string_view line)>;

  // take: null keeps the last lines, which are shown if they turn out to be why the process aborts.
  explicit StrayLines(Take take);
  // Whether it does anything: not under a sanitizer.
  static bool Works();
  // Takes what is there, gives descriptor 2 back.
  ~StrayLines();
  StrayLines(const StrayLines&) = delete;
  StrayLines& operator=(const StrayLines&) = delete;

 private:
  void Run();

  const Take take_;
  int pipe_ = -1;  // to read from
  int stop_[2] = {-1, -1};
  std::thread reader_;
};

}  // namespace hiif

#endif  // BASE_STRAY_LINES_H_
