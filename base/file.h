// Whole files: read, map, and replace without ever leaving half of one.
#ifndef BASE_FILE_H_
#define BASE_FILE_H_

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace hiif {

// Settings, keys and lists are smaller; a device or a mistake has no end.
inline constexpr int64_t kMaxTextBytes = int64_t{64} << 20;

// Errors carry the path and the system's reason: NotFound, PermissionDenied, or Unknown.
// InvalidArgument: longer than max_bytes; no more than that is read.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes = kMaxTextBytes);

// False for what cannot be looked at.
bool IsFolder(const std::string& path);

// What is in a folder, in no order: what was read of it where it fails half-way, which network file
// systems do. (Incrementing a directory_iterator in a loop throws then.)
std::vector<std::filesystem::directory_entry> ListFolder(const std::string& path,
                                                         std::error_code& error);

// A regular file, read by position. For files that others may overwrite or cut meanwhile, which
// ends the process that has them mapped (SIGBUS).
class RegularFile {
 public:
  // Opening never waits: InvalidArgument for pipes, devices, folders, and, where `within` is given,
  // for what lies outside that folder once links are followed.
  static absl::StatusOr<std::unique_ptr<RegularFile>> Open(const std::string& path,
                                                           const std::string& within = "");
  ~RegularFile();
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;

  int64_t size() const { return size_; }  // when it was opened
  // Fills `out`. Aborted: the file is shorter by now.
  absl::Status Read(int64_t offset, absl::Span<uint8_t> out) const;
  // Aborted: written to or cut since it was opened.
  absl::Status CheckUnchanged() const;

 private:
  RegularFile() = default;
  absl::Status Changed() const;
  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
  timespec modified_ = {};
};

// A file in memory, read only, for as long as the object lives. For files that nobody else writes
// to.
class MappedFile {
 public:
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  absl::Span<const uint8_t> bytes() const { return bytes_; }

 private:
  MappedFile() = default;
  absl::Span<const uint8_t> bytes_;
};

// A file that has other names too (hard links): another file takes this name, and the others keep
// the old one; or all show the new one, as when it is written by cp or a shell.
enum class HardLinks { kReplace, kWriteThrough };

// Replaces `path` by what was appended: a temporary file in the same folder is written, synced and
// renamed. Destroyed without Commit(), it leaves nothing behind. A link stays one: what it names is
// replaced, there or not. A pipe or device cannot be replaced, it is written as bytes come. A file
// that cannot be replaced but written (one that is mounted alone, in a folder without the right to
// make files, or with other names that are to see it) gets the bytes copied over in Commit().
class AtomicFile {
 public:
  // What is known to fail fails here: a name that is too long, a folder that is not there.
  static absl::StatusOr<std::unique_ptr<AtomicFile>> Create(const std::string& path,
                                                            HardLinks links = HardLinks::kReplace);
  // How the name of a temporary begins, before ".PID.XXXXXX.part": the file's own name, cut where
  // both together would be longer than names may be.
  static std::string TemporaryStem(const std::string& name);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  absl::Status Append(absl::string_view bytes);
  // fsync of file and folder, rename. ResourceExhausted when the disk is full. What file systems
  // refuse that know no permissions or no fsync is done without. Where the file cannot be put in
  // its place, it stays under its temporary name, which the error says.
  absl::Status Commit();
  // False for pipes and devices: no going back.
  bool can_overwrite() const { return !temporary_.empty(); }
  // The temporary file, for libraries that write by name or descriptor; empty: there is none.
  const std::string& temporary_path() const { return temporary_; }
  int descriptor() const { return fd_; }

 private:
  AtomicFile() = default;
  // fsync and close.
  absl::Status Close();
  // The temporary file's bytes into the file itself. Where that cannot be opened: `otherwise`.
  absl::Status CopyOver(const absl::Status& otherwise);
  std::string path_;
  std::string temporary_;  // empty: path_ itself is written
  bool in_place_ = false;  // copied, not renamed
  int fd_ = -1;
  mode_t mode_ = 0;  // of the file that is to be
};

// AtomicFile in one call.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view bytes);

}  // namespace hiif

#endif  // BASE_FILE_H_
