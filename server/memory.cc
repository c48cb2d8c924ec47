#include "server/memory.h"

#ifdef HIIF_TCMALLOC
#include <gperftools/malloc_extension.h>
#else
#include <malloc.h>
#endif

namespace hiif::server {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(1);
// Less is not worth the faults.
constexpr int64_t kWorthIt = 16 << 20;

}  // namespace

#ifdef HIIF_TCMALLOC
int64_t FreePageBytes() {
  size_t bytes = 0;
  MallocExtension::instance()->GetNumericProperty("tcmalloc.pageheap_free_bytes", &bytes);
  return static_cast<int64_t>(bytes);
}

void ReleaseFreePages() { MallocExtension::instance()->ReleaseFreeMemory(); }
#else
int64_t FreePageBytes() { return static_cast<int64_t>(mallinfo2().fordblks); }

void ReleaseFreePages() { malloc_trim(0); }
#endif

bool MemoryKeeper::Due(absl::Time now, bool busy, int64_t resident_bytes, int64_t free_page_bytes) {
  if (now < next_) return false;
  next_ = now + kInterval;
  return free_page_bytes >= kWorthIt && (!busy || resident_bytes > most_resident_);
}

}  // namespace hiif::server
