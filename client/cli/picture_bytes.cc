#include "client/cli/picture_bytes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/error_text.h"
#include "base/file.h"
#include "client/cli/error.h"
#include "imaging/format.h"

namespace hiif::cli {
namespace {

constexpr absl::Duration kWriterWait = absl::Seconds(10);
constexpr int kLookMillis = 50;
// Above what any server takes, and any memory would hold twice.
constexpr size_t kMaxBytes = size_t{8} << 30;

}  // namespace

absl::StatusOr<std::string> ReadPicture(const std::string& path, const std::stop_token& stop) {
  constexpr size_t kHead = 64;
  constexpr size_t kPiece = size_t{1} << 20;
  const bool standard_input = path == "-";
  // A named pipe is opened at once, with a writer or without.
  const int fd = standard_input ? STDIN_FILENO
                                : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  const auto why = [&path, standard_input]() -> absl::Status {
    if (standard_input)
      return absl::UnknownError(absl::StrCat("cannot read standard input: ", ErrorText(errno)));
    return WithoutName(path, ReadFile(path).status());
  };
  if (fd < 0) return why();
  const absl::Cleanup closer = [fd, standard_input] {
    if (!standard_input) close(fd);
  };
  struct stat info {};
  if (fstat(fd, &info) != 0) return why();
  bool writer = !S_ISFIFO(info.st_mode) || standard_input;
  const absl::Time opened = absl::Now();

  std::string bytes;
  while (true) {
    pollfd wait{fd, POLLIN, 0};
    const bool ready = poll(&wait, 1, kLookMillis) > 0;
    if (stop.stop_requested()) return absl::CancelledError("interrupted");
    if (standard_input && !ready) continue;
    const size_t before = bytes.size();
    const size_t more = before < kHead ? kHead - before : kPiece;
    bytes.resize(before + more);
    const ssize_t n = read(fd, bytes.data() + before, more);
    const int error = errno;
    bytes.resize(before + (n > 0 ? n : 0));
    errno = error;
    if (n > 0) {
      writer = true;
      if (before < kHead && bytes.size() >= kHead && !SniffFormat(bytes))
        return absl::InvalidArgumentError(
            absl::StrCat("not an image of a known format; allowed are ", ReadableFormats()));
      if (std::max<uint64_t>(bytes.size(), info.st_size) > kMaxBytes)
        return absl::InvalidArgumentError("above 8 GiB: no picture of that size can be taken");
    } else if (n < 0 && error == EAGAIN) {
      writer = true;
    } else if (n < 0 && error != EINTR) {
      return why();
    } else if (n == 0 && writer) {
      return bytes;
    } else if (n == 0) {
      if (absl::Now() - opened > kWriterWait)
        return absl::FailedPreconditionError(
            absl::StrCat("a named pipe that nobody writes into (waited ",
                         absl::FormatDuration(kWriterWait), ")"));
      if (ready) absl::SleepFor(absl::Milliseconds(kLookMillis));
    }
  }
}

}  // namespace hiif::cli
