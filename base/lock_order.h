// Whether Abseil looks for orders of locks that could end in a deadlock.
#ifndef BASE_LOCK_ORDER_H_
#define BASE_LOCK_ORDER_H_

#include "absl/synchronization/mutex.h"

namespace hiif {

// At the begin of a program. Debian builds Abseil as for debugging: each lock, gRPC's too, enters a
// graph (5 % of a small call), and an order that could end in a deadlock aborts the process. Builds
// for debugging, sanitizers and the unit tests keep that; programs for use do not.
inline void TrustLockOrder() {
#ifdef NDEBUG
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

}  // namespace hiif

#endif  // BASE_LOCK_ORDER_H_
