// Memory that the allocator keeps although nothing uses it.
#ifndef SERVER_MEMORY_H_
#define SERVER_MEMORY_H_

#include <cstdint>

#include "absl/time/time.h"

namespace hiif::server {

// Decides when they are given back (base/free_pages.h). One thread.
class MemoryKeeper {
 public:
  // most_resident: bytes; above them free pages go back even while the server is busy.
  explicit MemoryKeeper(int64_t most_resident) : most_resident_(most_resident) {}

  // Called every tick. Looks once a second; true: pages are to be given back now.
  bool Due(absl::Time now, bool busy, int64_t resident_bytes, int64_t free_page_bytes);

 private:
  const int64_t most_resident_;
  absl::Time next_ = absl::InfinitePast();
};

}  // namespace hiif::server

#endif  // SERVER_MEMORY_H_
