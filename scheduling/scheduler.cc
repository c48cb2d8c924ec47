#include "scheduling/scheduler.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace hiif::scheduling {
namespace {

constexpr absl::Duration kMostCounted = absl::Seconds(60);
// Between two that go first because of their age.
constexpr int64_t kFairPicks = 3;
constexpr size_t kMostDebtors = 1024;

int64_t Total(const JobSpec& spec) {
  int64_t total = 0;
  for (const Stage& stage : spec.stages) total += stage.costs.total();
  return total;
}

double Weight(int priority) { return std::pow(8.0, std::clamp(priority, -10, 10) / 10.0); }

}  // namespace

struct Scheduler::Entry {
  JobId id = 0;
  JobSpec spec;
  size_t stage = 0;
  int64_t next_piece = 0;  // of the stage
  int64_t finished = 0;    // pieces of the stage
  int64_t ahead = 0;       // pieces of the stage handed out and not credited
  int64_t running = 0;
  int64_t remaining = 0;  // coordinates of pieces that have not ended
  int64_t remaining_of_stage = 0;
  int64_t queued = 0;  // coordinates of pieces that have not begun
  double virtual_time = 0;
  absl::Time waiting_since;  // when runnable: since it was served, or became runnable
  bool runnable = false;
  bool ending = false;
  bool removed = false;
  bool done = false;  // OnDone returned
  absl::Status end;

  const Stage& current() const { return spec.stages[stage]; }
  bool PiecesLeft() const { return !ending && next_piece < current().costs.pieces(); }
  bool WaitsForReader() const {
    return PiecesLeft() && current().max_ahead > 0 && ahead >= current().max_ahead;
  }
  bool CanRun() const { return PiecesLeft() && !WaitsForReader(); }
};

struct Scheduler::Caller {
  double virtual_time = 0;
  double floor = 0;  // virtual time of the job whose turn was last: where a job that joins begins
  int64_t jobs = 0;
  std::set<std::pair<double, JobId>> runnable;
};

Scheduler::Scheduler(const SchedulerOptions& options, Device* device, Clock* clock,
                     OnBatch on_batch)
    : options_(options),
      device_(device),
      clock_(clock),
      on_batch_(std::move(on_batch)),
      fair_picks_(kFairPicks),
      last_progress_(clock->Now()) {
  for (int i = 0; i < options.workers; ++i) workers_.emplace_back([this] { Work(); });
}

Scheduler::~Scheduler() {
  Drain(absl::ZeroDuration());
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& worker : workers_) worker.join();
}

Admission Scheduler::Submit(JobSpec spec) {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_->Now();
  Admission admission = JudgeNow(spec, now);
  if (!admission.status.ok()) return admission;

  auto entry = std::make_shared<Entry>();
  entry->id = admission.id = next_id_++;
  entry->remaining = entry->queued = Total(spec);
  entry->waiting_since = now;
  entry->spec = std::move(spec);
  entry->remaining_of_stage = entry->current().costs.total();
  coordinates_ += entry->remaining;
  bytes_ += entry->spec.bytes;
  jobs_[entry->id] = entry;
  if (entry->spec.deadline != absl::InfiniteFuture()) {
    deadlines_.insert({entry->spec.deadline, entry->id});
  }
  Caller& caller = callers_[entry->spec.caller];
  if (caller.jobs++ == 0) debtors_.erase({caller.virtual_time, entry->spec.caller});
  UpdateRunnable(entry);
  return admission;
}

Admission Scheduler::Estimate(const JobSpec& spec) {
  absl::MutexLock lock(&mutex_);
  return JudgeNow(spec, clock_->Now());
}

Admission Scheduler::JudgeNow(const JobSpec& spec, absl::Time now) {
  Admission admission;
  if (draining_) {
    admission.reason = RejectReason::kDraining;
    admission.status = absl::UnavailableError("the server is shutting down: ask another one");
    return admission;
  }
  if (spec.stages.empty() || std::any_of(spec.stages.begin(), spec.stages.end(),
                                         [](const Stage& s) { return s.costs.pieces() == 0; })) {
    admission.status = absl::InternalError("a job needs stages, and each of them pieces");
    return admission;
  }
  std::vector<Demand> in_work;
  in_work.reserve(jobs_.size());
  for (const auto& [id, entry] : jobs_) {
    in_work.push_back(DemandOf(*entry));
    in_work.back().of_asker = entry->spec.caller == spec.caller;
  }
  Demand asked = TimeFor(spec, 0, spec.stages.size(), spec.stages[0].costs.total(),
                         spec.stages[0].costs.pieces());
  asked.bytes = spec.bytes;
  const bool known = std::all_of(spec.stages.begin(), spec.stages.end(),
                                 [&](const Stage& stage) ABSL_NO_THREAD_SAFETY_ANALYSIS {
                                   return SpeedOf(spec.model, stage.name).known();
                                 });
  return Judge(options_, in_work, asked, known ? spec.deadline - now : absl::InfiniteDuration(),
               options_.other_bytes ? options_.other_bytes() : OtherBytes{});
}

Demand Scheduler::TimeFor(const JobSpec& spec, size_t stage, size_t end, int64_t left,
                          int64_t pieces) {
  const int workers = std::max(1, options_.workers);
  double seconds = 0;
  double load = 0;
  while (true) {
    const Speed& speed = SpeedOf(spec.model, spec.stages[stage].name);
    const double per_second =
        speed.known() ? speed.coordinates_per_second() : options_.initial_speed;
    const int64_t at_once = std::clamp<int64_t>(pieces * spec.stages[stage].threads, 1, workers);
    const double of_one_worker = static_cast<double>(left) / per_second;
    seconds += of_one_worker / static_cast<double>(at_once);
    load += of_one_worker / workers;
    if (++stage == end)
      return {.left = absl::Seconds(seconds), .busy = seconds > 0 ? load / seconds : 1};
    left = spec.stages[stage].costs.total();
    pieces = spec.stages[stage].costs.pieces();
  }
}

Demand Scheduler::DemandOf(const Entry& entry) {
  const bool waits = entry.WaitsForReader();
  Demand demand = waits || entry.ending ? TimeFor(entry.spec, entry.stage, entry.stage + 1,
                                                  entry.remaining - entry.queued, entry.running)
                                        : TimeFor(entry.spec, entry.stage, entry.spec.stages.size(),
                                                  entry.remaining_of_stage,
                                                  entry.current().costs.pieces() - entry.finished);
  demand.bytes = entry.spec.bytes;
  demand.waits = waits;
  return demand;
}

Speed& Scheduler::SpeedOf(const std::string& model, const std::string& stage) {
  return speeds_.try_emplace({model, stage}).first->second;
}

void Scheduler::Calibrate(const std::string& model, const std::string& stage,
                          double coordinates_per_second, double most_drift) {
  absl::MutexLock lock(&mutex_);
  speeds_.erase({model, stage});
  speeds_.try_emplace({model, stage}, most_drift).first->second.Calibrate(coordinates_per_second);
}

void Scheduler::Charge(Entry& entry, double coordinates) {
  const std::string& name = entry.spec.caller;
  Caller& caller = callers_.at(name);
  const bool listed = !caller.runnable.empty();
  // Out of the sets and back, under the new times.
  if (listed) runnable_callers_.erase({caller.virtual_time, name});
  if (entry.runnable) caller.runnable.erase({entry.virtual_time, entry.id});
  caller.virtual_time += coordinates;
  entry.virtual_time += coordinates / Weight(entry.spec.priority);
  if (entry.runnable) caller.runnable.insert({entry.virtual_time, entry.id});
  if (listed) runnable_callers_.insert({caller.virtual_time, name});
}

void Scheduler::UpdateRunnable(const std::shared_ptr<Entry>& entry) {
  const bool runnable = !entry->removed && entry->CanRun();
  if (runnable == entry->runnable) return;
  Caller& caller = callers_[entry->spec.caller];
  const std::pair<double, std::string> key{caller.virtual_time, entry->spec.caller};
  entry->runnable = runnable;
  if (runnable) {
    // Whoever was away begins where the others are: waiting earns no credit.
    entry->virtual_time = std::max(entry->virtual_time, caller.floor);
    entry->waiting_since = clock_->Now();
    // Nothing was to be done: for a reader, perhaps, who took his time.
    if (runnable_by_age_.empty() && running_coordinates_ == 0)
      last_progress_ = entry->waiting_since;
    if (caller.runnable.empty()) {
      caller.virtual_time = std::max(caller.virtual_time, virtual_time_);
      runnable_callers_.insert({caller.virtual_time, entry->spec.caller});
    }
    caller.runnable.insert({entry->virtual_time, entry->id});
    runnable_by_age_.insert({entry->waiting_since, entry->id});
  } else {
    caller.runnable.erase({entry->virtual_time, entry->id});
    runnable_by_age_.erase({entry->waiting_since, entry->id});
    if (caller.runnable.empty()) runnable_callers_.erase(key);
  }
}

std::shared_ptr<Scheduler::Entry> Scheduler::Choose(absl::Time now, uint64_t batch_key,
                                                    int64_t budget) {
  const auto fits = [&](const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!MayBegin(entry)) return false;
    return batch_key == 0 || (entry.current().batch_key == batch_key &&
                              entry.current().costs[entry.next_piece] <= budget);
  };
  // Where one round over all jobs takes longer than the bound, every one of them is overdue: were
  // they always first, neither callers nor priorities would count any more.
  if (batch_key == 0 && fair_picks_ >= kFairPicks) {
    for (const auto& [since, id] : runnable_by_age_) {
      if (now - since <= options_.age_bound) break;
      const std::shared_ptr<Entry>& oldest = jobs_.at(id);
      if (!fits(*oldest)) continue;
      fair_picks_ = 0;
      return oldest;
    }
  }
  for (const auto& [time, name] : runnable_callers_) {
    for (const auto& [job_time, id] : callers_.at(name).runnable) {
      const std::shared_ptr<Entry>& entry = jobs_.at(id);
      if (!fits(*entry)) continue;
      if (batch_key == 0) ++fair_picks_;
      return entry;
    }
  }
  return nullptr;
}

const Scheduler::Entry* Scheduler::Turn(const Caller& caller) const {
  for (const auto& [time, id] : caller.runnable) {
    const Entry& entry = *jobs_.at(id);
    if (MayBegin(entry)) return &entry;
  }
  return nullptr;
}

Assignment Scheduler::TakePiece(const std::shared_ptr<Entry>& entry, absl::Time now) {
  const int64_t coordinates = entry->current().costs[entry->next_piece];
  // This worker, and those that do nothing now.
  const int threads = std::clamp(options_.workers - busy_workers_, 1, entry->current().threads);
  const Assignment assignment{entry->spec.job.get(), static_cast<int>(entry->stage),
                              entry->next_piece, coordinates, threads};
  Caller& caller = callers_[entry->spec.caller];
  // Not where the chosen one stands: who goes first for its age, or because it fits a batch, may be
  // far ahead of those whose turn it is, and newcomers would wait behind all of them.
  for (const auto& [time, name] : runnable_callers_) {
    if (Turn(callers_.at(name)) == nullptr) continue;
    virtual_time_ = std::max(virtual_time_, time);
    break;
  }
  ForgetDebts(/*all=*/false);
  caller.floor = std::max(caller.floor, Turn(caller)->virtual_time);
  // Taken out of the sets and put back under its new virtual time.
  caller.runnable.erase({entry->virtual_time, entry->id});
  runnable_callers_.erase({caller.virtual_time, entry->spec.caller});
  runnable_by_age_.erase({entry->waiting_since, entry->id});
  entry->runnable = false;
  caller.virtual_time += static_cast<double>(coordinates);
  entry->virtual_time += static_cast<double>(coordinates) / Weight(entry->spec.priority);
  if (!caller.runnable.empty()) runnable_callers_.insert({caller.virtual_time, entry->spec.caller});

  ++entry->next_piece;
  ++entry->ahead;
  ++entry->running;
  entry->queued -= coordinates;
  running_coordinates_ += coordinates;
  entry->waiting_since = now;
  UpdateRunnable(entry);
  return assignment;
}

Scheduler::Batch Scheduler::Take() {
  Batch batch;
  const absl::Time now = clock_->Now();
  ExpireDeadlines(now);
  std::shared_ptr<Entry> entry = Choose(now, 0, 0);
  if (entry == nullptr) return batch;
  const uint64_t key = entry->current().batch_key;
  int64_t budget = options_.batch_coordinates;
  while (entry != nullptr) {
    batch.emplace_back(entry, TakePiece(entry, now));
    budget -= batch.back().second.coordinates;
    if (key == 0 || budget <= 0) break;
    entry = Choose(now, key, budget);
  }
  ++busy_workers_;
  if (batch.front().first->current().uncut) ++uncut_running_;
  return batch;
}

bool Scheduler::RunBatch(Batch batch) {
  NotifyEnded();  // jobs whose deadline passed do not wait for a piece of another
  if (batch.empty()) return false;
  const absl::Time begin = clock_->Now();
  std::vector<Assignment> assignments;
  std::set<JobId> jobs;
  int64_t coordinates = 0;
  for (const auto& [entry, assignment] : batch) {
    assignments.push_back(assignment);
    jobs.insert(entry->id);
    coordinates += assignment.coordinates;
  }
  if (on_batch_) on_batch_(coordinates, static_cast<int64_t>(jobs.size()));

  std::vector<absl::Status> statuses;
  try {
    statuses = device_->Run(assignments);
    statuses.resize(batch.size(), absl::InternalError("the device returned too few results"));
  } catch (const std::exception& e) {
    statuses.assign(batch.size(),
                    absl::InternalError(absl::StrCat("the device failed: ", e.what())));
  }
  {
    absl::MutexLock lock(&mutex_);
    const absl::Time now = clock_->Now();
    --busy_workers_;
    const Assignment& leader = batch.front().second;
    if (batch.front().first->spec.stages[leader.stage].uncut) --uncut_running_;
    // What failed or was cancelled half-way teaches nothing.
    const double seconds = absl::ToDoubleSeconds(now - begin);
    const JobSpec& spec = batch.front().first->spec;
    Speed& speed = SpeedOf(spec.model, spec.stages[leader.stage].name);
    // What a client's file takes to decode nobody knows before. By the calibrated speed, since
    // whoever is slow moves the measured one; of one worker, since the others had nothing to do.
    const double expected = static_cast<double>(coordinates);
    const double overrun = std::max(0.0, seconds * speed.calibrated() / expected - 1);
    if (std::all_of(statuses.begin(), statuses.end(), [](const auto& s) { return s.ok(); }))
      speed.Learn(expected, seconds * leader.threads);
    last_progress_ = now;
    for (size_t i = 0; i < batch.size(); ++i) {
      const std::shared_ptr<Entry>& entry = batch[i].first;
      const int64_t cost = batch[i].second.coordinates;
      if (overrun > 0) Charge(*entry, static_cast<double>(cost) * overrun);
      running_coordinates_ -= cost;
      coordinates_ -= cost;
      entry->remaining -= cost;
      entry->remaining_of_stage -= cost;
      --entry->running;
      if (!statuses[i].ok()) {
        End(entry, statuses[i]);
      } else if (!entry->ending && ++entry->finished == entry->current().costs.pieces()) {
        if (entry->stage + 1 == entry->spec.stages.size()) {
          End(entry, absl::OkStatus());
        } else {
          ++entry->stage;
          entry->remaining_of_stage = entry->current().costs.total();
          entry->next_piece = entry->finished = entry->ahead = 0;
        }
      }
      if (entry->ending && entry->running == 0) {
        Remove(entry);
      } else {
        UpdateRunnable(entry);
      }
    }
  }
  NotifyEnded();
  return true;
}

void Scheduler::End(const std::shared_ptr<Entry>& entry, const absl::Status& status) {
  if (entry->ending) return;
  entry->ending = true;
  entry->end = status;
  if (!status.ok()) entry->spec.job->OnEnding();
  coordinates_ -= entry->queued;
  entry->remaining -= entry->queued;
  entry->queued = 0;
  UpdateRunnable(entry);
  if (entry->running == 0) Remove(entry);
}

void Scheduler::Remove(const std::shared_ptr<Entry>& entry) {
  if (entry->removed) return;
  entry->removed = true;
  bytes_ -= entry->spec.bytes;
  deadlines_.erase({entry->spec.deadline, entry->id});
  jobs_.erase(entry->id);
  const auto caller = callers_.find(entry->spec.caller);
  if (--caller->second.jobs == 0) {
    runnable_callers_.erase({caller->second.virtual_time, entry->spec.caller});
    debtors_.insert({caller->second.virtual_time, entry->spec.caller});
    ForgetDebts(/*all=*/jobs_.empty());  // who hurt nobody owes nothing
  }
  ended_.push_back(entry);
}

void Scheduler::ForgetDebts(bool all) {
  while (!debtors_.empty() &&
         (all || debtors_.begin()->first <= virtual_time_ || debtors_.size() > kMostDebtors)) {
    callers_.erase(debtors_.begin()->second);
    debtors_.erase(debtors_.begin());
  }
}

void Scheduler::ExpireDeadlines(absl::Time now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const JobId id = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    const std::shared_ptr<Entry> entry = jobs_.at(id);  // a copy: ending may erase it from the map
    End(entry, absl::DeadlineExceededError("the deadline passed before the work was done"));
  }
}

void Scheduler::NotifyEnded() {
  std::vector<std::shared_ptr<Entry>> ended;
  {
    absl::MutexLock lock(&mutex_);
    ended.swap(ended_);
  }
  if (ended.empty()) return;
  for (const std::shared_ptr<Entry>& entry : ended) entry->spec.job->OnDone(entry->end);
  absl::MutexLock lock(&mutex_);
  for (const std::shared_ptr<Entry>& entry : ended) entry->done = true;
}

bool Scheduler::MayBegin(const Entry& entry) const {
  return !entry.current().uncut || uncut_running_ < std::max(1, options_.workers - 1);
}

bool Scheduler::MayWake() const {
  return stopping_ || !ended_.empty() ||
         std::any_of(runnable_by_age_.begin(), runnable_by_age_.end(),
                     [this](const auto& runnable) ABSL_NO_THREAD_SAFETY_ANALYSIS {
                       return MayBegin(*jobs_.at(runnable.second));
                     });
}

void Scheduler::Work() {
  while (true) {
    Batch batch;
    {
      absl::MutexLock lock(&mutex_);
      while (true) {
        batch = Take();
        if (!batch.empty() || !ended_.empty()) break;
        if (stopping_) return;
        const absl::Condition condition(this, &Scheduler::MayWake);
        if (deadlines_.empty()) {
          mutex_.Await(condition);
        } else {
          // Abseil waits by the wall clock: should that be set back meanwhile, an idle worker
          // sleeps on until there is something to do. A deadline of a job that waits may pass
          // unnoticed.
          const absl::Duration left = deadlines_.begin()->first - clock_->Now();
          mutex_.AwaitWithTimeout(condition, std::min(left, absl::Seconds(1)));
        }
      }
    }
    RunBatch(std::move(batch));
  }
}

bool Scheduler::Step() {
  Batch batch;
  {
    absl::MutexLock lock(&mutex_);
    batch = Take();
  }
  return RunBatch(std::move(batch));
}

void Scheduler::Credit(JobId id, int stage, int64_t pieces) {
  absl::MutexLock lock(&mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second->stage != static_cast<size_t>(stage)) return;
  found->second->ahead = std::max<int64_t>(0, found->second->ahead - pieces);
  UpdateRunnable(found->second);
}

void Scheduler::Cancel(JobId id, const absl::Status& why) {
  std::shared_ptr<Entry> entry;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = jobs_.find(id);
    if (found != jobs_.end()) {
      entry = found->second;
      End(entry, why);
    }
  }
  NotifyEnded();
  if (entry == nullptr) return;
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&entry->done));
}

int64_t Scheduler::Drain(absl::Duration grace) {
  std::vector<std::shared_ptr<Entry>> left;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return jobs_.empty(); };
    mutex_.AwaitWithTimeout(absl::Condition(&idle), grace);
    for (const auto& [id, entry] : jobs_) left.push_back(entry);
    for (const auto& entry : left) End(entry, absl::UnavailableError("the server shut down"));
  }
  NotifyEnded();
  absl::MutexLock lock(&mutex_);
  for (const auto& entry : left) mutex_.Await(absl::Condition(&entry->done));
  return static_cast<int64_t>(left.size());
}

void Scheduler::Beat() {
  absl::MutexLock lock(&mutex_);
  last_progress_ = clock_->Now();
}

SchedulerStatistics Scheduler::Statistics() {
  absl::MutexLock lock(&mutex_);
  SchedulerStatistics out;
  out.jobs = static_cast<int64_t>(jobs_.size());
  out.running_coordinates = running_coordinates_;
  out.queued_coordinates = coordinates_ - running_coordinates_;
  out.bytes = bytes_;
  absl::Duration longest;
  for (const auto& [id, entry] : jobs_) {
    const Demand demand = DemandOf(*entry);
    longest = std::max(longest, demand.left);
    out.capped_drain += std::min(demand.load(), kMostCounted);
  }
  out.capped_drain = std::max(out.capped_drain, std::min(longest, kMostCounted));
  if (!runnable_by_age_.empty() || running_coordinates_ > 0) {
    out.stalled = clock_->Now() - last_progress_;
  }
  return out;
}

}  // namespace hiif::scheduling
