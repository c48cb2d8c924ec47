// One decoder process, seen from the server.
#ifndef JAIL_DECODER_PROCESS_H_
#define JAIL_DECODER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hiif/jail/v1/jail.pb.h"
#include "jail/picture_file.h"
#include "jail/shared_memory.h"

namespace hiif {

// What one task may take.
struct TaskLimits {
  int64_t memory_bytes = 0;  // beyond what the process has when idle
  int64_t answer_bytes = 0;
  absl::Duration processor_time;
  absl::Duration time;  // of the clock: one that sleeps takes none of a processor
};

// How a task ended that the process did not survive; kIdle: it was dead, or deaf, before it got
// one.
enum class DecoderEnd { kCrash, kMemory, kTime, kCancelled, kIdle };
const char* Name(DecoderEnd end);  // "CRASH", ...

// One task at a time. The process is killed when a task fails to end by itself, and in the
// destructor.
class DecoderProcess {
 public:
  // Starts the program and waits until it is confined. Unavailable says why it is not; Cancelled.
  static absl::StatusOr<std::unique_ptr<DecoderProcess>> Start(const std::string& program,
                                                               const IsCancelled& cancelled);
  ~DecoderProcess();
  DecoderProcess(const DecoderProcess&) = delete;
  DecoderProcess& operator=(const DecoderProcess&) = delete;

  // Does a task on a sealed file. The answer lies in memory() until the next task; the result is
  // the size of the message at its beginning. InvalidArgument: the process crashed, or needed more
  // than its limits (and is dead); Cancelled; Unavailable: it did not get the task (and is dead).
  absl::StatusOr<int64_t> Run(const jail::v1::Task& task, const Descriptor& file,
                              const TaskLimits& limits, const IsCancelled& cancelled);
  int memory() const { return memory_.get(); }

  bool alive() const { return alive_; }
  DecoderEnd end() const { return end_; }  // where it is not

 private:
  DecoderProcess() = default;
  absl::Status Wait(const TaskLimits& limits, const IsCancelled& cancelled);
  absl::Status RenewMemory();
  // Processor time so far.
  absl::Duration Used() const;
  void SetLimits(int64_t memory_bytes, int64_t answer_bytes) const;
  // Ends it; the error that says why.
  absl::Status Kill(DecoderEnd why);

  pid_t pid_ = -1;
  Descriptor socket_;
  // Of answers; kept, because taking and clearing new pages costs as much as decoding. The process
  // has seen all of it. Cannot shrink, so that reading it cannot fail.
  Descriptor memory_;
  int64_t idle_bytes_ = 0;  // of address space
  bool alive_ = false;
  DecoderEnd end_ = DecoderEnd::kCrash;
};

}  // namespace hiif

#endif  // JAIL_DECODER_PROCESS_H_
