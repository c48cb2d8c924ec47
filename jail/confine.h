// What a decoder process takes from itself before it sees a stranger's bytes.
#ifndef JAIL_CONFINE_H_
#define JAIL_CONFINE_H_

#include "absl/status/status.h"

namespace hiif {

// For a process of one thread, for good: no files, no network, no other processes, no capabilities,
// no new privileges. What is open stays open, threads may be started. Unavailable where the kernel
// does not let it.
absl::Status Confine();

}  // namespace hiif

#endif  // JAIL_CONFINE_H_
