#include "base/free_pages.h"

#include <malloc.h>

#include <cstddef>

// gperftools/malloc_extension_c.h. Weak: there where a program is linked with tcmalloc.
extern "C" {
[[gnu::weak]] int MallocExtension_GetNumericProperty(const char* property, size_t* value);
[[gnu::weak]] void MallocExtension_ReleaseFreeMemory();
}

namespace hiif {

int64_t FreePageBytes() {
  if (MallocExtension_GetNumericProperty == nullptr)
    return static_cast<int64_t>(mallinfo2().fordblks);
  size_t bytes = 0;
  MallocExtension_GetNumericProperty("tcmalloc.pageheap_free_bytes", &bytes);
  return static_cast<int64_t>(bytes);
}

void ReleaseFreePages() {
  if (MallocExtension_ReleaseFreeMemory != nullptr) {
    MallocExtension_ReleaseFreeMemory();
  } else {
    malloc_trim(0);
  }
}

}  // namespace hiif
