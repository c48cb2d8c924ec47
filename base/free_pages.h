// Pages that the allocator keeps although nothing uses them.
#ifndef BASE_FREE_PAGES_H_
#define BASE_FREE_PAGES_H_

#include <cstdint>

namespace hiif {

// Their bytes; 0: the allocator does not say.
int64_t FreePageBytes();

// Gives all of them back to the system. Those that are used next are faulted in again, so a busy
// program keeps them: half of the time of an encoder was page faults.
void ReleaseFreePages();

}  // namespace hiif

#endif  // BASE_FREE_PAGES_H_
