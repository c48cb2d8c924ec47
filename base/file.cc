#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hiif {
namespace {

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

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Errno("cannot open", path);
  const absl::Cleanup closer = [fd] { close(fd); };
  std::string out;
  struct stat info {};
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) out.reserve(info.st_size);
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n == 0) return out;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("cannot read", path);
    out.append(buffer, n);
  }
}

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
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

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path) {
  auto file = std::unique_ptr<AtomicFile>(new AtomicFile);
  file->path_ = path;
  file->temporary_ = absl::StrCat(path, ".", getpid(), ".XXXXXX.part");
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
  if (fchmod(fd_, 0666 & ~Umask()) != 0 || fsync(fd_) != 0) return Errno("cannot write", path_);
  const int fd = fd_;
  fd_ = -1;
  if (close(fd) != 0) return Errno("cannot write", path_);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return Errno("cannot replace", path_);
  temporary_.clear();
  const std::string parent = std::filesystem::path(path_).parent_path().string();
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
