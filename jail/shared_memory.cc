#include "jail/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/error_text.h"
#include "base/status_macros.h"

namespace hiif {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<Descriptor> MakeMemory(const char* name) {
  Descriptor memory(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (memory) return memory;
  return absl::ResourceExhaustedError(
      absl::StrCat("no memory to share with a decoder: ", ErrorText(errno)));
}

absl::StatusOr<Descriptor> MakeSealedMemory(const char* name, absl::string_view bytes) {
  HIIF_ASSIGN_OR_RETURN(Descriptor memory, MakeMemory(name));
  HIIF_RETURN_IF_ERROR(WriteAt(memory.get(), 0, bytes.data(), bytes.size()));
  if (fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) !=
      0)
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot seal memory for a decoder: ", ErrorText(errno)));
  return memory;
}

absl::Status WriteAt(int fd, int64_t offset, const void* data, int64_t bytes) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = pwrite(fd, from, bytes, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot write to shared memory: ", ErrorText(errno)));
    from += written;
    offset += written;
    bytes -= written;
  }
  return absl::OkStatus();
}

absl::Status ReadAt(int fd, int64_t offset, void* data, int64_t bytes) {
  auto* to = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = pread(fd, to, bytes, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return absl::DataLossError("shared memory ends too early");
    to += got;
    offset += got;
    bytes -= got;
  }
  return absl::OkStatus();
}

}  // namespace hiif
