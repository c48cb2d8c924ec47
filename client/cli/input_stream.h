// Bytes of a file, a named pipe or standard input, read so that a signal ends the wait for them.
#ifndef CLIENT_CLI_INPUT_STREAM_H_
#define CLIENT_CLI_INPUT_STREAM_H_

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace hiif::cli {

class InputStream {
 public:
  // path: "-" is standard input. A named pipe is opened at once, with a writer or without. No
  // message has the path in it.
  static absl::StatusOr<InputStream> Open(const std::string& path, std::stop_token stop);
  InputStream(InputStream&& other) noexcept;
  InputStream& operator=(InputStream&&) = delete;
  ~InputStream();

  // At least a byte, but at the end: 0. Cancelled by the stop. FailedPrecondition: a named pipe
  // that nobody wrote into for ten seconds.
  absl::StatusOr<size_t> Read(absl::Span<char> to);
  // As the system says it: 0 of pipes.
  int64_t size() const { return size_; }

 private:
  InputStream(std::string path, int fd, std::stop_token stop)
      : path_(std::move(path)), fd_(fd), stop_(std::move(stop)) {}
  bool is_standard_input() const { return path_ == "-"; }
  absl::Status Error(int number) const;

  const std::string path_;
  int fd_;
  const std::stop_token stop_;
  int64_t size_ = 0;
  bool written_ = true;  // by somebody, ever
  absl::Time opened_;
};

// All of a text. As InputStream; InvalidArgument: longer than kMaxTextBytes (base/file.h).
absl::StatusOr<std::string> ReadAll(const std::string& path, std::stop_token stop);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_INPUT_STREAM_H_
