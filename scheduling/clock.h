// Time as the scheduler sees it; tests have their own.
#ifndef SCHEDULING_CLOCK_H_
#define SCHEDULING_CLOCK_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace hiif::scheduling {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() = 0;
};

class SystemClock : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }
};

}  // namespace hiif::scheduling

#endif  // SCHEDULING_CLOCK_H_
