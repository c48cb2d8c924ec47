// Whole files: read, map, and replace without ever leaving half of one.
#ifndef BASE_FILE_H_
#define BASE_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace hiif {

// Errors carry the path and the system's reason: NotFound, PermissionDenied, or Unknown.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// A file in memory, read only, for as long as the object lives.
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

// Replaces `path` by what was appended: a temporary file in the same folder is written, synced and
// renamed. Destroyed without Commit(), it leaves nothing behind.
class AtomicFile {
 public:
  static absl::StatusOr<std::unique_ptr<AtomicFile>> Create(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  absl::Status Append(absl::string_view bytes);
  // fsync of file and folder, rename. ResourceExhausted when the disk is full.
  absl::Status Commit();
  // The temporary file, for libraries that write by name or descriptor.
  const std::string& temporary_path() const { return temporary_; }
  int descriptor() const { return fd_; }

 private:
  AtomicFile() = default;
  std::string path_;
  std::string temporary_;
  int fd_ = -1;
};

// AtomicFile in one call.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view bytes);

}  // namespace hiif

#endif  // BASE_FILE_H_
