#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error_text.h"
#include "base/status_macros.h"

namespace hiif {
namespace {

namespace fs = std::filesystem;

// A named pipe without a writer would keep its reader waiting, a terminal would become ours.
constexpr int kOpenAtOnce = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

absl::Status Errno(absl::string_view what, const std::string& path) {
  const int error = errno;
  const std::string message = absl::StrCat(what, " ", path, ": ", ErrorText(error));
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

bool IsRefused(int error) { return error == EACCES || error == EPERM || error == EROFS; }

// What file systems say that do not have what was asked for (as opposed to what went wrong).
bool IsMissingFeature(int error) {
  return error == EINVAL || error == ENOTSUP || error == EOPNOTSUPP || error == ENOSYS ||
         error == ENOTTY || IsRefused(error);
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

bool IsFolder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::vector<fs::directory_entry> ListFolder(const std::string& path, std::error_code& error) {
  std::vector<fs::directory_entry> out;
  fs::directory_iterator at(path, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) out.push_back(*at);
  return out;
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
  // Of the file systems in use eCryptfs has the shortest names.
  constexpr size_t kNameMax = 143;
  // ".4194304.XXXXXX.part" is the longest of what follows.
  constexpr size_t kSuffix = 20;
  if (name.size() + kSuffix <= kNameMax) return name;
  size_t size = kNameMax - kSuffix;
  while (size > 0 && (static_cast<unsigned char>(name[size]) & 0xc0) == 0x80) --size;  // UTF-8
  return name.substr(0, size);
}

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path,
                                                               HardLinks links) {
  auto file = std::unique_ptr<AtomicFile>(new AtomicFile);
  file->mode_ = 0666 & ~Umask();
  file->path_ = path;
  struct stat info {};
  const bool exists = stat(path.c_str(), &info) == 0;
  if (!exists && errno == ENAMETOOLONG) return Errno("cannot create", path);
  if (exists && !S_ISDIR(info.st_mode)) {
    if (!S_ISREG(info.st_mode)) {
      file->fd_ = open(path.c_str(), O_WRONLY | O_CLOEXEC);
      if (file->fd_ < 0) return Errno("cannot open", path);
      return file;
    }
    file->mode_ = info.st_mode & 07777;
    file->in_place_ = links == HardLinks::kWriteThrough && info.st_nlink > 1;
    if (file->in_place_ && access(path.c_str(), W_OK) != 0) return Errno("cannot write", path);
  }
  HIIF_ASSIGN_OR_RETURN(file->path_, BehindLinks(path));
  const fs::path target(file->path_);
  const std::string name =
      absl::StrCat(TemporaryStem(target.filename().string()), ".", getpid(), ".XXXXXX.part");
  file->temporary_ = (target.parent_path() / name).string();
  file->fd_ = mkostemps(file->temporary_.data(), 5, O_CLOEXEC);
  std::error_code error;
  if (file->fd_ < 0 && IsRefused(errno) && exists && access(path.c_str(), W_OK) == 0) {
    // A file that may be written in a folder that may not: one that is mounted alone, for example.
    file->in_place_ = true;
    file->temporary_ = (fs::temp_directory_path(error) / name).string();
    file->fd_ = mkostemps(file->temporary_.data(), 5, O_CLOEXEC);
  }
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

absl::Status AtomicFile::Close() {
  if (fsync(fd_) != 0 && !IsMissingFeature(errno)) return Errno("cannot write", path_);
  return close(std::exchange(fd_, -1)) == 0 ? absl::OkStatus() : Errno("cannot write", path_);
}

absl::Status AtomicFile::Commit() {
  // Some file systems have no modes. What is copied stays closed: it may lie among others' files.
  if (!temporary_.empty() && !in_place_) fchmod(fd_, mode_);
  HIIF_RETURN_IF_ERROR(Close());
  if (temporary_.empty()) return absl::OkStatus();
  absl::Status placed = absl::OkStatus();
  if (in_place_ || rename(temporary_.c_str(), path_.c_str()) != 0) {
    // What is mounted, another's in a sticky folder, or where renaming is not known.
    const absl::Status refused = in_place_ ? absl::OkStatus() : Errno("cannot replace", path_);
    placed = CopyOver(refused);
    if (placed.ok()) unlink(temporary_.c_str());
  }
  if (!placed.ok())
    return absl::Status(placed.code(),
                        absl::StrCat(placed.message(), "; the output is whole and lies in ",
                                     std::exchange(temporary_, {})));
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

absl::Status AtomicFile::CopyOver(const absl::Status& otherwise) {
  const int from = open(temporary_.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return Errno("cannot open", temporary_);
  const absl::Cleanup closer = [from] { close(from); };
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode_);
  struct stat info {};
  if (fd_ < 0 || fstat(fd_, &info) != 0)
    return otherwise.ok() ? Errno("cannot write", path_) : otherwise;
  if (!S_ISREG(info.st_mode))
    return otherwise.ok()
               ? absl::InvalidArgumentError(absl::StrCat(path_, " is no regular file; name one"))
               : otherwise;
  std::string piece(size_t{1} << 20, '\0');
  int64_t size = 0;
  while (true) {
    const ssize_t n = read(from, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("cannot read", temporary_);
    if (n == 0) break;
    HIIF_RETURN_IF_ERROR(Append({piece.data(), static_cast<size_t>(n)}));
    size += n;
  }
  if (ftruncate(fd_, size) != 0) return Errno("cannot write", path_);
  return Close();
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view bytes) {
  HIIF_ASSIGN_OR_RETURN(auto file, AtomicFile::Create(path));
  HIIF_RETURN_IF_ERROR(file->Append(bytes));
  return file->Commit();
}

}  // namespace hiif
