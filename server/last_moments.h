// The end of a process that somebody waits for.
#ifndef SERVER_LAST_MOMENTS_H_
#define SERVER_LAST_MOMENTS_H_

#include <atomic>
#include <thread>

#include "absl/time/time.h"
#include "base/steady_flag.h"

namespace hiif::server {

// Whoever stops the server counts on its grace, and kills it without a word later. What cannot be
// interrupted, such as a library's encoder, is not waited for: unless this is destroyed within the
// time, the process ends with the code.
class LastMoments {
 public:
  LastMoments(absl::Duration time, int code);
  ~LastMoments();
  LastMoments(const LastMoments&) = delete;
  LastMoments& operator=(const LastMoments&) = delete;

  void set_code(int code) { code_ = code; }

 private:
  std::atomic<int> code_;
  SteadyFlag over_;
  std::thread thread_;
};

}  // namespace hiif::server

#endif  // SERVER_LAST_MOMENTS_H_
