#include "imaging/sink.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/error_text.h"

namespace hiif {

absl::Status StringSink::Append(absl::string_view bytes) {
  bytes_.append(bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::Status StringSink::Overwrite(int64_t offset, absl::string_view bytes) {
  if (offset < 0 || offset + bytes.size() > bytes_.size())
    return absl::InternalError("a sink cannot overwrite what is not there");
  std::memcpy(bytes_.data() + offset, bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::Status FileSink::Overwrite(int64_t offset, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(file_->descriptor(), bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return absl::UnknownError(
          absl::StrCat("cannot write ", file_->temporary_path(), ": ", ErrorText(errno)));
    bytes.remove_prefix(n);
    offset += n;
  }
  return absl::OkStatus();
}

}  // namespace hiif
