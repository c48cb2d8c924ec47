// Checkpoints: the header, the configuration in its metadata, tensors against it, values.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint.h"
#include "tests/fuzz/target.h"

namespace {

// A file in memory with these bytes; its path lives as long as the process.
const std::string& FileOf(absl::string_view bytes) {
  static const int fd = memfd_create("checkpoint", 0);
  static const std::string path = absl::StrCat("/proc/self/fd/", fd);
  FUZZ_CHECK(ftruncate(fd, 0) == 0);
  FUZZ_CHECK(pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return path;
}

}  // namespace

FUZZ_TARGET(safetensors) {
  const std::string& path = FileOf(bytes);
  const auto file = hiif::Safetensors::Read(path);
  if (file.ok()) {
    for (const auto& [name, tensor] : (*file)->tensors()) {
      const auto values = (*file)->Floats(name);
      if (values.ok()) FUZZ_CHECK(static_cast<int64_t>(values->size()) == tensor.elements());
    }
  }
  const auto checkpoint = hiif::Checkpoint::Open(path);
  // What a client may be told is short, whatever the file holds.
  if (!checkpoint.ok()) FUZZ_CHECK(checkpoint.status().message().size() <= 1000);
  hiif::Checkpoint::OpenForeign(path).IgnoreError();
}
