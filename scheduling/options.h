#ifndef SCHEDULING_OPTIONS_H_
#define SCHEDULING_OPTIONS_H_

#include <cstdint>
#include <functional>

#include "absl/time/time.h"

namespace hiif::scheduling {

struct SchedulerOptions {
  int workers = 1;  // threads that call the device; 0: none, Step() is called instead
  // Coordinates packed into one call of the device; 0: one piece a call.
  int64_t batch_coordinates = 0;
  int64_t max_jobs = 1024;
  int64_t max_coordinates = 2'000'000'000;  // of all jobs that have not ended
  int64_t max_bytes = 0;                    // likewise; 0: no limit
  // What of max_bytes is taken by something else than jobs now. Called under the scheduler's lock.
  std::function<int64_t()> other_bytes;
  // A job is refused where, served fairly, others would get longer than this before it is done.
  absl::Duration max_queue_time = absl::InfiniteDuration();
  absl::Duration age_bound = absl::Seconds(5);
  // Coordinates a second of one worker for work that was neither calibrated nor measured. Low:
  // better to promise late than early.
  double initial_speed = 10'000;
};

}  // namespace hiif::scheduling

#endif  // SCHEDULING_OPTIONS_H_
