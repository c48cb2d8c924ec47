// Time as the scheduler sees it, which setting the wall clock does not move; tests have their own.
#ifndef SCHEDULING_CLOCK_H_
#define SCHEDULING_CLOCK_H_

#include "absl/time/time.h"
#include "base/steady_now.h"

namespace hiif::scheduling {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() = 0;
};

class SteadyClock : public Clock {
 public:
  absl::Time Now() override { return SteadyNow(); }
};

}  // namespace hiif::scheduling

#endif  // SCHEDULING_CLOCK_H_
