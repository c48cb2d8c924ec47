// Whether a job may enter, and if not, when it could. A function of what is in work, without a
// clock and without state.
//
// What is in work is taken to be served in equal shares of all workers' time, at the speed
// measured. Then a level rises from 0, up to which each job has been served: at level w a job of
// `load` has max(0, load - w) to go, and sum of min(load, w) has passed, or what the slowest of
// them took.
#ifndef SCHEDULING_ADMISSION_H_
#define SCHEDULING_ADMISSION_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "scheduling/options.h"

namespace hiif::scheduling {

// kTooLarge: could not be admitted by an idle server either; there is no use in trying again.
enum class RejectReason { kNone, kQueueFull, kMemory, kTooLarge, kDeadline, kDraining };
const char* RejectReasonName(
    RejectReason reason);  // "queue_full", "memory", "too_large", "deadline", "draining"

using JobId = int64_t;

// Whether a job came in. Refused with ResourceExhausted (try again after `retry_after`), or
// Unavailable when draining.
struct Admission {
  absl::Status status;
  JobId id = 0;
  RejectReason reason = RejectReason::kNone;
  absl::Duration retry_after;
  absl::Duration estimate;  // until the job's last piece, if admitted
};

// A job in work, or one that asks.
struct Demand {
  absl::Duration left;  // with all workers to itself
  int64_t bytes = 0;    // until it is done
  // The share of the workers that it keeps busy meanwhile, 1 / workers to 1: what is of few pieces
  // leaves the rest to others.
  double busy = 1;
  // For its reader: nothing of it runs, and nobody knows how long it will be there.
  bool waits = false;
  bool of_asker = false;  // of the caller whose job asks

  absl::Duration load() const { return left * busy; }  // of all workers' time
};

// `available`: the time between asking and the deadline, which is asked for again with a retry;
// infinite where nothing is known about the speed. `other` counts towards max_bytes. The jobs of a
// caller who has more than one leave a quarter of the bytes to others. retry_after is
// when nothing stands in the way any more, at least 50 ms, or a second where more than others'
// idle bytes are taken or jobs wait for their readers; zero for what is too large.
Admission Judge(const SchedulerOptions& options, absl::Span<const Demand> in_work,
                const Demand& asked, absl::Duration available, const OtherBytes& other = {});

}  // namespace hiif::scheduling

#endif  // SCHEDULING_ADMISSION_H_
