// Decides which piece of which job runs next. Which job may enter: admission.h.
//
// Order: start-time fair queueing in coordinates, by caller first, then by job within the caller,
// weighted by priority. A job that could run but has not been served for `age_bound` goes first, at
// every fourth choice: where work is so plenty that all jobs wait that long, fairness decides the
// rest. Newcomers begin where those stand whose fair turn it is. Pieces of one stage go out in
// order; a stage begins when the one before it has ended. A piece is charged what it was said to
// cost when it begins, and at its end what it took beyond that, by the calibrated speed.
//
//   Submit ──refused──▶ Admission with reason and retry delay
//     │
//     ▼
//   queued ──piece──▶ running ──last piece──▶ OnDone(OK)
//     │                  │
//     └──Cancel, deadline, failed piece, Drain──▶ (running pieces end) ──▶ OnDone(status)
#ifndef SCHEDULING_SCHEDULER_H_
#define SCHEDULING_SCHEDULER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "scheduling/admission.h"
#include "scheduling/clock.h"
#include "scheduling/job.h"
#include "scheduling/options.h"
#include "scheduling/speed.h"

namespace hiif::scheduling {

struct SchedulerStatistics {
  int64_t jobs = 0;                 // that have not ended
  int64_t queued_coordinates = 0;   // of pieces that have not begun
  int64_t running_coordinates = 0;  // of pieces that run now
  int64_t bytes = 0;                // held by jobs
  // Until all is done, at the measured speed, each job counted at most 60 s: for autoscalers.
  absl::Duration capped_drain;
  absl::Duration stalled;  // since a batch ended (or work came) while work is pending
};

class Scheduler {
 public:
  // For metrics; called without a lock held.
  using OnBatch = std::function<void(int64_t coordinates, int64_t jobs)>;

  // `device` and `clock` must outlive the scheduler.
  Scheduler(const SchedulerOptions& options, Device* device, Clock* clock, OnBatch on_batch = {});
  // Ends what is left with Unavailable and waits for the workers.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Every stage needs at least one piece. Admission is judged and the job queued in one step.
  Admission Submit(JobSpec spec) ABSL_LOCKS_EXCLUDED(mutex_);
  // The judgement alone.
  Admission Estimate(const JobSpec& spec) ABSL_LOCKS_EXCLUDED(mutex_);
  // The writer took `pieces` finished pieces of a stage with max_ahead: as many more may run.
  // Stages that are over and unknown jobs are ignored (they may have just ended).
  void Credit(JobId id, int stage, int64_t pieces) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the job with `why`; returns when none of its pieces runs any more and OnDone was called.
  // Unknown jobs are ignored. Never from inside Device::Run.
  void Cancel(JobId id, const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);
  // The speed of one worker, measured before serving; estimates begin with it. most_drift: as in
  // speed.h.
  void Calibrate(const std::string& model, const std::string& stage, double coordinates_per_second,
                 double most_drift = 0) ABSL_LOCKS_EXCLUDED(mutex_);
  // Refuses new jobs from now on, waits for the others at most `grace`, then ends the rest with
  // Unavailable. Returns how many were ended so.
  int64_t Drain(absl::Duration grace) ABSL_LOCKS_EXCLUDED(mutex_);

  // A piece that takes long is getting on: work does not stall. From inside Device::Run.
  void Beat() ABSL_LOCKS_EXCLUDED(mutex_);

  SchedulerStatistics Statistics() ABSL_LOCKS_EXCLUDED(mutex_);
  // Runs one batch on the caller's thread; false when nothing was ready. For options.workers == 0.
  bool Step() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry;
  struct Caller;
  using Batch = std::vector<std::pair<std::shared_ptr<Entry>, Assignment>>;

  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  bool RunBatch(Batch batch) ABSL_LOCKS_EXCLUDED(mutex_);
  Batch Take() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<Entry> Choose(absl::Time now, uint64_t batch_key, int64_t budget)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The job of the caller whose fair turn it is; nullptr: none may begin now.
  const Entry* Turn(const Caller& caller) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Assignment TakePiece(const std::shared_ptr<Entry>& entry, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Adds to what the entry and its caller have had.
  void Charge(Entry& entry, double coordinates) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void UpdateRunnable(const std::shared_ptr<Entry>& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Forgets callers without jobs who had no more than those that are served now; `all`: and others.
  void ForgetDebts(bool all) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(const std::shared_ptr<Entry>& entry, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(const std::shared_ptr<Entry>& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ExpireDeadlines(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NotifyEnded() ABSL_LOCKS_EXCLUDED(mutex_);
  Admission JudgeNow(const JobSpec& spec, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // With all workers to itself: stages from `stage` on and before `end`, of which `left`
  // coordinates and `pieces` pieces of the first are left. Of time alone, not of bytes.
  Demand TimeFor(const JobSpec& spec, size_t stage, size_t end, int64_t left, int64_t pieces)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of a job that waits for its reader, or ends: what runs of it now.
  Demand DemandOf(const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Speed& SpeedOf(const std::string& model, const std::string& stage)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayWake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a piece of the entry may begin now, beside others that cannot be cut.
  bool MayBegin(const Entry& entry) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SchedulerOptions options_;
  Device* const device_;
  Clock* const clock_;
  const OnBatch on_batch_;

  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  JobId next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<JobId, std::shared_ptr<Entry>> jobs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Caller> callers_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<double, std::string>> runnable_callers_
      ABSL_GUARDED_BY(mutex_);  // virtual time
  // Callers without jobs who had more than others: should they come again, it counts.
  std::set<std::pair<double, std::string>> debtors_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<absl::Time, JobId>> runnable_by_age_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<absl::Time, JobId>> deadlines_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, Speed> speeds_
      ABSL_GUARDED_BY(mutex_);                     // by model and kind of work
  int busy_workers_ ABSL_GUARDED_BY(mutex_) = 0;   // in the device now
  int uncut_running_ ABSL_GUARDED_BY(mutex_) = 0;  // batches of pieces that cannot be cut
  int64_t fair_picks_ ABSL_GUARDED_BY(mutex_);     // since one was chosen for its age
  double virtual_time_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t coordinates_ ABSL_GUARDED_BY(mutex_) = 0;  // that have not ended
  int64_t running_coordinates_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time last_progress_ ABSL_GUARDED_BY(mutex_);
  // Jobs that ended and whose OnDone is still to be called, outside the lock.
  std::vector<std::shared_ptr<Entry>> ended_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> workers_;
};

}  // namespace hiif::scheduling

#endif  // SCHEDULING_SCHEDULER_H_
