// Time that never jumps.
#ifndef BASE_STEADY_NOW_H_
#define BASE_STEADY_NOW_H_

#include <chrono>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace hiif {

// The wall clock when this was first called, and what has passed since. For deadlines and timeouts:
// when the wall clock is set, they stay where they were. Compare with nothing but its own times.
inline absl::Time SteadyNow() {
  static const absl::Time wall = absl::Now();
  static const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  return wall + absl::FromChrono(std::chrono::steady_clock::now() - start);
}

}  // namespace hiif

#endif  // BASE_STEADY_NOW_H_
