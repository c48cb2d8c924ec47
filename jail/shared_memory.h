// Memory that two processes share by a descriptor (memfd_create(2)).
#ifndef JAIL_SHARED_MEMORY_H_
#define JAIL_SHARED_MEMORY_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hiif {

// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Empty memory. ResourceExhausted: no descriptor or memory left.
absl::StatusOr<Descriptor> MakeMemory(const char* name);
// Memory of these bytes that nobody can change or shrink any more, so that mapping it is safe.
absl::StatusOr<Descriptor> MakeSealedMemory(const char* name, absl::string_view bytes);

// Whole blocks, at an offset. ResourceExhausted, or DataLoss where it ends before.
absl::Status WriteAt(int fd, int64_t offset, const void* data, int64_t bytes);
absl::Status ReadAt(int fd, int64_t offset, void* data, int64_t bytes);

}  // namespace hiif

#endif  // JAIL_SHARED_MEMORY_H_
