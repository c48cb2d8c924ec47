#include "client/cli/picture_bytes.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/cli/input_stream.h"
#include "imaging/format.h"

namespace hiif::cli {

absl::StatusOr<std::string> ReadPicture(const std::string& path, const std::stop_token& stop) {
  constexpr size_t kHead = 64;
  constexpr size_t kPiece = size_t{1} << 20;
  // Above what any server takes, and any memory would hold twice.
  constexpr uint64_t kMaxBytes = uint64_t{8} << 30;
  HIIF_ASSIGN_OR_RETURN(InputStream stream, InputStream::Open(path, stop));
  std::string bytes;
  while (true) {
    const size_t before = bytes.size();
    bytes.resize(before + (before < kHead ? kHead - before : kPiece));
    HIIF_ASSIGN_OR_RETURN(const size_t n, stream.Read(absl::MakeSpan(bytes).subspan(before)));
    bytes.resize(before + n);
    if (n == 0) return bytes;
    if (before < kHead && bytes.size() >= kHead && !SniffFormat(bytes))
      return absl::InvalidArgumentError(
          absl::StrCat("not an image of a known format; allowed are ", ReadableFormats()));
    if (std::max<uint64_t>(bytes.size(), stream.size()) > kMaxBytes)
      return absl::InvalidArgumentError("above 8 GiB: no picture of that size can be taken");
  }
}

}  // namespace hiif::cli
