#include "client/cli/input_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/error_text.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "client/cli/error.h"

namespace hiif::cli {
namespace {

constexpr absl::Duration kWriterWait = absl::Seconds(10);
constexpr int kLookMillis = 50;

}  // namespace

absl::StatusOr<InputStream> InputStream::Open(const std::string& path, std::stop_token stop) {
  const bool standard_input = path == "-";
  const int fd = standard_input ? STDIN_FILENO
                                : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  InputStream stream(path, fd, std::move(stop));
  struct stat info {};
  if (fd < 0 || fstat(fd, &info) != 0) return stream.Error(errno);
  stream.size_ = info.st_size;
  stream.written_ = !S_ISFIFO(info.st_mode) || standard_input;
  stream.opened_ = absl::Now();
  return stream;
}

InputStream::InputStream(InputStream&& other) noexcept
    : path_(other.path_),
      fd_(std::exchange(other.fd_, -1)),
      stop_(other.stop_),
      size_(other.size_),
      written_(other.written_),
      opened_(other.opened_) {}

InputStream::~InputStream() {
  if (fd_ >= 0 && !is_standard_input()) close(fd_);
}

absl::Status InputStream::Error(int number) const {
  if (is_standard_input())
    return absl::UnknownError(absl::StrCat("cannot read standard input: ", ErrorText(number)));
  // In the words of who reads files whole.
  const absl::Status whole = ReadFile(path_).status();
  return whole.ok() ? absl::UnknownError(absl::StrCat("cannot read: ", ErrorText(number)))
                    : WithoutName(path_, whole);
}

absl::StatusOr<size_t> InputStream::Read(absl::Span<char> to) {
  while (true) {
    pollfd wait{fd_, POLLIN, 0};
    const bool ready = poll(&wait, 1, kLookMillis) > 0;
    if (stop_.stop_requested()) return absl::CancelledError("interrupted");
    if (is_standard_input() && !ready) continue;
    const ssize_t n = read(fd_, to.data(), to.size());
    if (n > 0 || (n == 0 && written_)) {
      written_ = true;
      return static_cast<size_t>(n);
    }
    if (n < 0 && errno == EAGAIN) {
      written_ = true;
    } else if (n < 0 && errno != EINTR) {
      return Error(errno);
    } else if (n == 0) {
      if (absl::Now() - opened_ > kWriterWait)
        return absl::FailedPreconditionError(
            absl::StrCat("a named pipe that nobody writes into (waited ",
                         absl::FormatDuration(kWriterWait), ")"));
      if (ready) absl::SleepFor(absl::Milliseconds(kLookMillis));
    }
  }
}

absl::StatusOr<std::string> ReadAll(const std::string& path, std::stop_token stop) {
  constexpr size_t kPiece = size_t{1} << 16;
  HIIF_ASSIGN_OR_RETURN(InputStream stream, InputStream::Open(path, std::move(stop)));
  std::string all;
  while (true) {
    const size_t before = all.size();
    all.resize(before + kPiece);
    HIIF_ASSIGN_OR_RETURN(const size_t n, stream.Read(absl::MakeSpan(all).subspan(before)));
    all.resize(before + n);
    if (n == 0) return all;
    if (std::ssize(all) > kMaxTextBytes)
      return absl::InvalidArgumentError(
          absl::StrCat("longer than ", kMaxTextBytes, " bytes: no list is"));
  }
}

}  // namespace hiif::cli
