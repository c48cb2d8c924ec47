#include "server/core/request_id.h"

#include <cstdint>

#include "absl/random/random.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "server/errors/errors.h"

namespace hiif::server {
namespace {

constexpr size_t kMaxRequestIdBytes = 128;

}  // namespace

std::string NewRequestId() {
  thread_local absl::BitGen random;
  return absl::StrFormat("%016x", absl::Uniform<uint64_t>(random));
}

absl::StatusOr<std::string> RequestId(absl::string_view field, absl::string_view asked) {
  if (asked.empty()) return NewRequestId();
  if (asked.size() > kMaxRequestIdBytes || !IsPrintableAscii(asked))
    return InvalidField(field, absl::StrFormat("at most %d printable ASCII characters are allowed",
                                               kMaxRequestIdBytes));
  return std::string(asked);
}

}  // namespace hiif::server
