// Checkpoints: the header, the configuration in its metadata, tensors against it, values.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint.h"

namespace {

// A file in memory with these bytes; its path lives as long as the process.
const std::string& FileOf(const uint8_t* data, size_t size) {
  static const int fd = memfd_create("checkpoint", 0);
  static const std::string path = absl::StrCat("/proc/self/fd/", fd);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size))
    __builtin_trap();
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string& path = FileOf(data, size);
  const auto file = hiif::Safetensors::Read(path);
  if (file.ok()) {
    for (const auto& [name, tensor] : (*file)->tensors()) {
      const auto values = (*file)->Floats(name);
      if (values.ok() && static_cast<int64_t>(values->size()) != tensor.elements())
        __builtin_trap();
    }
  }
  const auto checkpoint = hiif::Checkpoint::Open(path);
  // What a client may be told is short, whatever the file holds.
  if (!checkpoint.ok() && checkpoint.status().message().size() > 1000) __builtin_trap();
  hiif::Checkpoint::OpenForeign(path).IgnoreError();
  return 0;
}
