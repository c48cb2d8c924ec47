// What is scheduled: a job is one admitted request, cut into stages, and those into pieces.
#ifndef SCHEDULING_JOB_H_
#define SCHEDULING_JOB_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace hiif::scheduling {

// Costs of the pieces of a stage in coordinates: the work of decoding that many output pixels. At
// least 1 each.
class Costs {
 public:
  Costs() = default;
  Costs(std::vector<int64_t> costs)  // NOLINT(google-explicit-constructor): of few pieces, listed
      : pieces_(static_cast<int64_t>(costs.size())),
        total_(std::accumulate(costs.begin(), costs.end(), int64_t{0})),
        cost_([costs = std::move(costs)](int64_t piece) { return costs[piece]; }) {}
  Costs(std::initializer_list<int64_t> costs) : Costs(std::vector<int64_t>(costs)) {}
  // Of any number of pieces, computed when it is asked for: clients choose how many there are, so
  // nothing may be held a piece. `total` is the sum. `cost` is called under the scheduler's lock.
  Costs(int64_t pieces, int64_t total, std::function<int64_t(int64_t piece)> cost)
      : pieces_(pieces), total_(total), cost_(std::move(cost)) {}

  int64_t pieces() const { return pieces_; }
  int64_t total() const { return total_; }
  int64_t operator[](int64_t piece) const { return cost_(piece); }

 private:
  int64_t pieces_ = 0;
  int64_t total_ = 0;
  std::function<int64_t(int64_t)> cost_;
};

// A step that waits for the step before it: blocks of the encoding, the context, the tiles. Its
// pieces are handed out in the order of their indices and may run at the same time.
struct Stage {
  std::string name;  // the kind of work, "encode", "context", "query": each has its speed
  Costs costs;
  // Pieces with the same key may share a call of the device; 0: never.
  uint64_t batch_key = 0;
  // Pieces that were handed out and not yet credited (Scheduler::Credit); 0: no bound.
  int64_t max_ahead = 0;
  // Threads that a piece has work for, at least one: it may use the cores of idle workers.
  int threads = 1;
  // A piece may take long and cannot be cut: a worker is always left for others, if there are two.
  bool uncut = false;
};

class Job {
 public:
  virtual ~Job() = default;
  // At most once, before OnDone: the job ends before its last piece, nobody wants what still runs
  // of it. Under a lock of the scheduler, so that it may set a flag for the pieces and no more.
  virtual void OnEnding() {}
  // Exactly once, when no piece runs any more and none will: OK after the last piece, else why it
  // ended. On a thread of the scheduler or of the caller that ended it, without a lock held.
  virtual void OnDone(const absl::Status& status) = 0;
};

struct JobSpec {
  std::shared_ptr<Job> job;
  std::string caller;  // fairness is among callers first
  std::string model;   // speed is measured by model and kind of work
  int priority = 0;    // -10 to 10; 10 steps are a factor of 8 in share
  absl::Time deadline = absl::InfiniteFuture();
  int64_t bytes = 0;  // of host memory that the job holds until it is done
  std::vector<Stage> stages;
};

struct Assignment {
  Job* job = nullptr;
  int stage = 0;
  int64_t piece = 0;
  int64_t coordinates = 0;
  int threads = 1;  // cores it may use, itself included
};

// Where pieces run. Called by several workers at once, never under a lock of the scheduler.
class Device {
 public:
  virtual ~Device() = default;
  // Runs a batch to its end; one status an assignment. A piece that fails ends its job with that
  // status.
  virtual std::vector<absl::Status> Run(absl::Span<const Assignment> batch) = 0;
};

}  // namespace hiif::scheduling

#endif  // SCHEDULING_JOB_H_
