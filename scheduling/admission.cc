#include "scheduling/admission.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace hiif::scheduling {
namespace {

constexpr absl::Duration kLeastRetry = absl::Milliseconds(50);
// Where what is held without work is in the way: by models that are loaded again, or by jobs that
// wait for their readers.
constexpr absl::Duration kHeldRetry = absl::Seconds(1);
// Halvings of the longest job: to a millisecond of a day.
constexpr int kHalvings = 27;
// Bytes that the jobs of a caller may hold for each that is free, where he has more than one.
constexpr int64_t kMostOfFree = 3;

std::string Rounded(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Milliseconds(1)));
}

// What is in work when every job has been served up to `level`.
struct Moment {
  absl::Duration passed;
  absl::Duration delay;  // of the job that asks, by what others get while it runs, served fairly
  int64_t jobs = 0;
  int64_t bytes = 0;
  int64_t own = 0;  // bytes of the asker's
};

Moment At(absl::Duration level, absl::Span<const Demand> in_work, const Demand& asked) {
  Moment moment;
  absl::Duration slowest;
  absl::Duration others;
  for (const Demand& job : in_work) {
    const absl::Duration load = job.load();
    const absl::Duration served = std::min(load, level);
    moment.passed += served;
    slowest = std::max(slowest, served / job.busy);
    if (load <= level && level > absl::ZeroDuration()) continue;
    others += std::min(load - level, asked.load());
    moment.bytes += job.bytes;
    if (job.of_asker) moment.own += job.bytes;
    ++moment.jobs;
  }
  moment.passed = std::max(moment.passed, slowest);
  // Others take first the workers that the job would leave idle.
  moment.delay = std::max(others - (asked.left - asked.load()), absl::ZeroDuration());
  return moment;
}

struct Objection {
  RejectReason reason = RejectReason::kNone;
  std::string why;
};

Objection Objects(const SchedulerOptions& options, const Moment& moment, const Demand& asked,
                  absl::Duration available, int64_t other_bytes) {
  if (moment.jobs >= options.max_jobs) {
    return {RejectReason::kQueueFull,
            absl::StrCat(moment.jobs, " requests are in work, that is the limit")};
  }
  const int64_t taken = moment.bytes + other_bytes;
  if (options.max_bytes > 0 && taken + asked.bytes > options.max_bytes) {
    return {RejectReason::kMemory,
            absl::StrCat("this needs about ", asked.bytes, " bytes of memory, ", taken, " of ",
                         options.max_bytes, " are taken")};
  }
  const int64_t free = options.max_bytes - taken - asked.bytes;
  if (options.max_bytes > 0 && asked.bytes > 0 && moment.own > 0 &&
      moment.own + asked.bytes > kMostOfFree * free) {
    return {RejectReason::kMemory,
            absl::StrCat("this needs about ", asked.bytes, " bytes of memory, and its caller has ",
                         moment.own, " in other requests: the ", options.max_bytes - taken,
                         " that are left are for others")};
  }
  if (moment.delay > options.max_queue_time) {
    return {RejectReason::kQueueFull,
            absl::StrCat("the requests before it take about ", Rounded(moment.delay),
                         ", the limit is ", absl::FormatDuration(options.max_queue_time))};
  }
  // What is too long even alone is let in: the estimate may be wrong, the deadline is kept anyway.
  if (asked.left + moment.delay > available && asked.left <= available) {
    return {RejectReason::kDeadline, absl::StrCat("because of the queue this takes about ",
                                                  Rounded(asked.left + moment.delay),
                                                  ", the deadline is in ", Rounded(available))};
  }
  return {};
}

}  // namespace

const char* RejectReasonName(RejectReason reason) {
  switch (reason) {
    case RejectReason::kNone:
      return "none";
    case RejectReason::kQueueFull:
      return "queue_full";
    case RejectReason::kMemory:
      return "memory";
    case RejectReason::kTooLarge:
      return "too_large";
    case RejectReason::kDeadline:
      return "deadline";
    case RejectReason::kDraining:
      return "draining";
  }
  return "none";
}

Admission Judge(const SchedulerOptions& options, absl::Span<const Demand> in_work,
                const Demand& asked, absl::Duration available, const OtherBytes& other) {
  const Moment now = At(absl::ZeroDuration(), in_work, asked);
  Admission admission;
  const int64_t room = std::max<int64_t>(0, options.max_bytes - other.idle);
  if (options.max_bytes > 0 && asked.bytes > room) {
    admission.reason = RejectReason::kTooLarge;
    admission.status = absl::ResourceExhaustedError(
        absl::StrCat("this needs about ", asked.bytes, " bytes of memory, the server has ", room,
                     " for requests; send a smaller image, or parts of it"));
    return admission;
  }
  admission.estimate = asked.left + now.delay;
  Objection objection = Objects(options, now, asked, available, other.now);
  if (objection.reason == RejectReason::kNone) return admission;

  // Everything that is objected to falls as the level rises, and is gone when nothing is in work.
  // What others hold for a while is taken to be gone then.
  absl::Duration low = absl::ZeroDuration();
  absl::Duration high = absl::ZeroDuration();
  for (const Demand& job : in_work) high = std::max(high, job.load());
  for (int i = 0; i < kHalvings; ++i) {
    const absl::Duration level = low + (high - low) / 2;
    const bool free =
        Objects(options, At(level, in_work, asked), asked, available, other.idle).reason ==
        RejectReason::kNone;
    (free ? high : low) = level;
  }
  admission.reason = objection.reason;
  const bool held =
      (objection.reason == RejectReason::kMemory && other.now > other.idle) ||
      (objection.reason != RejectReason::kDeadline &&
       std::any_of(in_work.begin(), in_work.end(), [](const Demand& job) { return job.waits; }));
  admission.retry_after =
      std::max(At(high, in_work, asked).passed, held ? kHeldRetry : kLeastRetry);
  admission.status = absl::ResourceExhaustedError(objection.why);
  return admission;
}

}  // namespace hiif::scheduling
