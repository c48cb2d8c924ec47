#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hiif {
namespace {

namespace fs = std::filesystem;

// A named pipe without a writer would keep its reader waiting, a terminal would become ours.
constexpr int kOpenAtOnce = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

absl::Status Errno(absl::string_view what, const std::string& path) {
  const int error = errno;
  const std::string message = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnknownError(message);
  }
}

// What file systems say that do not have what was asked for (as opposed to what went wrong).
bool IsMissingFeature(int error) {
  return error == EINVAL || error == ENOTSUP || error == EOPNOTSUPP || error == ENOSYS ||
         error == ENOTTY || error == EPERM || error == EROFS;
}

// The file that a path stands for once links are followed; the last one may name nothing yet.
absl::StatusOr<std::string> BehindLinks(const std::string& path) {
  constexpr int kMaxLinks = 40;
  fs::path at(path);
  for (int i = 0; i < kMaxLinks; ++i) {
    std::error_code error;
    const fs::path next = fs::read_symlink(at, error);
    if (error) return at.string();
    at = next.is_absolute() ? next : at.parent_path() / next;
  }
  errno = ELOOP;
  return Errno("cannot follow the links of", path);
}

// The process's mask can only be read by setting it: once, or two threads at it leave 0 behind.
mode_t Umask() {
  static const mode_t mask = [] {
    const mode_t own = umask(0);
    umask(own);
    return own;
  }();
  return mask;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Errno("cannot open", path);
  const absl::Cleanup closer = [fd] { close(fd); };
  std::string out;
  struct stat info {};
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
    out.reserve(std::min<int64_t>(info.st_size, max_bytes));
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n == 0) return out;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("cannot read", path);
    if (n > max_bytes - static_cast<int64_t>(out.size()))
      return absl::InvalidArgumentError(absl::StrCat(path, ": longer than ", max_bytes,
                                                     " bytes; is it the file that was meant?"));
    out.append(buffer, n);
  }
}

absl::StatusOr<std::unique_ptr<RegularFile>> RegularFile::Open(const std::string& path,
                                                               const std::string& within) {
  auto file = std::unique_ptr<RegularFile>(new RegularFile);
  file->path_ = path;
  file->fd_ = open(path.c_str(), kOpenAtOnce);
  if (file->fd_ < 0) return Errno("cannot open", path);
  struct stat info {};
  if (fstat(file->fd_, &info) != 0) return Errno("cannot look at", path);
  if (!S_ISREG(info.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file"));
  if (!within.empty()) {
    // Asked of what was opened: a link may have been changed meanwhile.
    std::error_code error;
    const fs::path real = fs::read_symlink(absl::StrCat("/proc/self/fd/", file->fd_), error);
    const fs::path folder = fs::canonical(within, error);
    if (error || !absl::StartsWith(real.native(), (folder / "").native()))
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": is a link that leaves its folder; copy the file instead"));
  }
  file->size_ = info.st_size;
  file->modified_ = info.st_mtim;
  return file;
}

RegularFile::~RegularFile() {
  if (fd_ >= 0) close(fd_);
}

absl::Status RegularFile::Changed() const {
  return absl::AbortedError(absl::StrCat(
      path_, ": was changed while it was read; write a new file beside it and rename it"));
}

absl::Status RegularFile::Read(int64_t offset, absl::Span<uint8_t> out) const {
  while (!out.empty()) {
    const ssize_t n = pread(fd_, out.data(), out.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("cannot read", path_);
    if (n == 0) return Changed();
    out.remove_prefix(n);
    offset += n;
  }
  return absl::OkStatus();
}

absl::Status RegularFile::CheckUnchanged() const {
  struct stat info {};
  if (fstat(fd_, &info) != 0) return Errno("cannot look at", path_);
  const bool same = info.st_size == size_ && info.st_mtim.tv_sec == modified_.tv_sec &&
                    info.st_mtim.tv_nsec == modified_.tv_nsec;
  return same ? absl::OkStatus() : Changed();
}

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), kOpenAtOnce);
  if (fd < 0) return Errno("cannot open", path);
  const absl::Cleanup closer = [fd] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0) return Errno("cannot look at", path);
  if (!S_ISREG(info.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  auto file = std::unique_ptr<MappedFile>(new MappedFile);
  if (info.st_size == 0) return file;
  void* data = mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return Errno("cannot map", path);
  file->bytes_ = absl::MakeConstSpan(static_cast<const uint8_t*>(data), info.st_size);
  return file;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

std::string AtomicFile::TemporaryStem(const std::string& name) {
  // ".4194304.XXXXXX.part" is the longest of what follows.
  constexpr size_t kSuffix = 20;
  if (name.size() + kSuffix <= NAME_MAX) return name;
  size_t size = NAME_MAX - kSuffix;
  while (size > 0 && (static_cast<unsigned char>(name[size]) & 0xc0) == 0x80) --size;  // UTF-8
  return name.substr(0, size);
}

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path) {
  auto file = std::unique_ptr<AtomicFile>(new AtomicFile);
  file->mode_ = 0666 & ~Umask();
  file->path_ = path;
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) {
    if (!S_ISREG(info.st_mode)) {
      file->fd_ = open(path.c_str(), O_WRONLY | O_CLOEXEC);
      if (file->fd_ < 0) return Errno("cannot open", path);
      return file;
    }
    file->mode_ = info.st_mode & 07777;
  }
  HIIF_ASSIGN_OR_RETURN(file->path_, BehindLinks(path));
  const fs::path target(file->path_);
  file->temporary_ =
      absl::StrCat((target.parent_path() / TemporaryStem(target.filename().string())).string(), ".",
                   getpid(), ".XXXXXX.part");
  file->fd_ = mkostemps(file->temporary_.data(), 5, O_CLOEXEC);
  if (file->fd_ < 0) {
    file->temporary_.clear();
    return Errno("cannot create a file beside", path);
  }
  return file;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::Status AtomicFile::Append(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("cannot write", path_);
    bytes.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Commit() {
  if (!temporary_.empty()) fchmod(fd_, mode_);  // some file systems have no modes
  if (fsync(fd_) != 0 && !IsMissingFeature(errno)) return Errno("cannot write", path_);
  const int fd = fd_;
  fd_ = -1;
  if (close(fd) != 0) return Errno("cannot write", path_);
  if (temporary_.empty()) return absl::OkStatus();
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    const absl::Status status = Errno("cannot replace", path_);
    return absl::Status(status.code(),
                        absl::StrCat(status.message(), "; the output is whole and lies in ",
                                     std::exchange(temporary_, {})));
  }
  temporary_.clear();
  const std::string parent = fs::path(path_).parent_path().string();
  const int folder =
      open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);  // some file systems refuse it; the rename itself is already atomic
    close(folder);
  }
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view bytes) {
  HIIF_ASSIGN_OR_RETURN(auto file, AtomicFile::Create(path));
  HIIF_RETURN_IF_ERROR(file->Append(bytes));
  return file->Commit();
}

}  // namespace hiif
