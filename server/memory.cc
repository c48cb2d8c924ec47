#include "server/memory.h"

namespace hiif::server {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(1);
// Less is not worth the faults.
constexpr int64_t kWorthIt = 16 << 20;

}  // namespace

bool MemoryKeeper::Due(absl::Time now, bool busy, int64_t resident_bytes, int64_t free_page_bytes) {
  if (now < next_) return false;
  next_ = now + kInterval;
  return free_page_bytes >= kWorthIt && (!busy || resident_bytes > most_resident_);
}

}  // namespace hiif::server
