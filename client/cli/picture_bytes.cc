#include "client/cli/picture_bytes.h"

#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "client/cli/error.h"
#include "imaging/format.h"

namespace hiif::cli {

absl::StatusOr<std::string> ReadPicture(const std::string& path) {
  constexpr size_t kHead = 64;
  constexpr size_t kPiece = size_t{1} << 20;
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  const auto why = [&path] { return WithoutName(path, ReadFile(path).status()); };
  if (file == nullptr) return why();
  const absl::Cleanup close = [file] {
    if (file != stdin) std::fclose(file);
  };
  std::string bytes;
  while (true) {
    const size_t before = bytes.size();
    const size_t more = before == 0 ? kHead : kPiece;
    bytes.resize(before + more);
    const size_t read = std::fread(bytes.data() + before, 1, more, file);
    bytes.resize(before + read);
    if (before == 0 && read == kHead && !SniffFormat(bytes))
      return absl::InvalidArgumentError(
          absl::StrCat("not an image of a known format; allowed are ", ReadableFormats()));
    if (read == more) continue;
    if (std::ferror(file) != 0) return why();
    return bytes;
  }
}

}  // namespace hiif::cli
