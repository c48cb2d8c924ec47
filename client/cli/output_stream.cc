#include "client/cli/output_stream.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/error_text.h"

namespace hiif::cli {
namespace {

constexpr int kLookMillis = 50;

bool IsPipe(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

}  // namespace

absl::StatusOr<OutputStream> OutputStream::Open(const std::string& path, std::stop_token stop) {
  OutputStream stream(path, path == "-" ? STDOUT_FILENO : -1, std::move(stop));
  while (stream.fd_ < 0) {
    stream.fd_ = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (stream.fd_ >= 0 || errno == EINTR) continue;
    const int error = errno;
    if (error != ENXIO || !IsPipe(path))  // nobody has the pipe open for reading
      return absl::UnknownError(absl::StrCat("cannot open ", path, ": ", ErrorText(error)));
    if (stream.stop_.stop_requested()) return absl::CancelledError("interrupted");
    absl::SleepFor(absl::Milliseconds(kLookMillis));
  }
  struct stat info {};
  stream.regular_ = fstat(stream.fd_, &info) == 0 && S_ISREG(info.st_mode);
  return stream;
}

OutputStream::OutputStream(OutputStream&& other) noexcept
    : path_(other.path_),
      fd_(std::exchange(other.fd_, -1)),
      stop_(other.stop_),
      regular_(other.regular_) {}

OutputStream::~OutputStream() {
  if (fd_ >= 0 && path_ != "-") close(fd_);
}

absl::Status OutputStream::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    size_t size = bytes.size();
    if (!regular_) {
      pollfd wait{fd_, POLLOUT, 0};
      const bool ready = poll(&wait, 1, kLookMillis) > 0;
      if (stop_.stop_requested()) return absl::CancelledError("interrupted");
      if (!ready) continue;
      // A pipe that is ready takes so much without a wait. Standard output is shared with other
      // programs: it cannot be made one that never waits.
      size = std::min<size_t>(size, PIPE_BUF);
    }
    const ssize_t n = write(fd_, bytes.data(), size);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0)
      return absl::UnknownError(
          path_ == "-" ? absl::StrCat("standard output cannot be written: ", ErrorText(errno))
                       : absl::StrCat("cannot write ", path_, ": ", ErrorText(errno)));
    bytes.remove_prefix(n);
  }
  return absl::OkStatus();
}

}  // namespace hiif::cli
