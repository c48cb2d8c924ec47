// Bytes into a named pipe, a device or standard output, written so that a signal ends the wait for
// whoever takes them.
#ifndef CLIENT_CLI_OUTPUT_STREAM_H_
#define CLIENT_CLI_OUTPUT_STREAM_H_

#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hiif::cli {

class OutputStream {
 public:
  // path: "-" is standard output. A named pipe is waited for until somebody reads from it.
  // Cancelled by the stop.
  static absl::StatusOr<OutputStream> Open(const std::string& path, std::stop_token stop);
  OutputStream(OutputStream&& other) noexcept;
  OutputStream& operator=(OutputStream&&) = delete;
  ~OutputStream();

  // All of it, but for a stop: Cancelled, after a part.
  absl::Status Write(absl::string_view bytes);

 private:
  OutputStream(std::string path, int fd, std::stop_token stop)
      : path_(std::move(path)), fd_(fd), stop_(std::move(stop)) {}

  const std::string path_;
  int fd_;
  const std::stop_token stop_;
  bool regular_ = false;  // a file: writing never waits
};

}  // namespace hiif::cli

#endif  // CLIENT_CLI_OUTPUT_STREAM_H_
