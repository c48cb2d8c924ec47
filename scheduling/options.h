#ifndef SCHEDULING_OPTIONS_H_
#define SCHEDULING_OPTIONS_H_

#include <cstdint>
#include <functional>

#include "absl/time/time.h"

namespace hiif::scheduling {

// Bytes of host memory that something else than jobs takes.
struct OtherBytes {
  int64_t now = 0;
  int64_t idle = 0;  // that stay when nothing is in work; what is above goes by itself
};

struct SchedulerOptions {
  int workers = 1;  // threads that call the device; 0: none, Step() is called instead
  // Coordinates packed into one call of the device; 0: one piece a call.
  int64_t batch_coordinates = 0;
  int64_t max_jobs = 1024;  // that have not ended
  int64_t max_bytes = 0;    // of theirs and others; 0: no limit
  // What of max_bytes is not for jobs; empty: nothing. Called under the scheduler's lock.
  std::function<OtherBytes()> other_bytes;
  // A job is refused where, served fairly, others would get longer than this before it is done.
  absl::Duration max_queue_time = absl::InfiniteDuration();
  absl::Duration age_bound = absl::Seconds(5);
  // Coordinates a second of one worker for work that was neither calibrated nor measured. Low:
  // better to promise late than early.
  double initial_speed = 10'000;
};

}  // namespace hiif::scheduling

#endif  // SCHEDULING_OPTIONS_H_
