// Strangers' pictures, decoded where they can hurt nobody: in a few processes that have no files,
// no network and bounded memory and time, and are replaced when one of them fails.
#ifndef JAIL_JAIL_H_
#define JAIL_JAIL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_flag.h"
#include "jail/decoder_process.h"
#include "jail/picture_file.h"

namespace hiif {

struct JailOptions {
  std::string program;                                 // path of hiif-decoder
  int decoders = 1;                                    // pictures decoded at once
  int probers = 2;                                     // headers read at once
  absl::Duration max_decode_time = absl::Seconds(60);  // of a processor
  // By the clock, a task may take ten times its processor time, and never less than this.
  absl::Duration patience = absl::Seconds(30);
};

// Any thread.
class Jail final : public PictureOpener {
 public:
  // Told of each process that a task did not leave alive. Any thread.
  using OnEnd = std::function<void(DecoderEnd)>;

  // Told why no process can be started any more, once, and OK when it can again. One thread.
  using OnStarting = std::function<void(const absl::Status&)>;

  // Starts the processes. Unavailable: it cannot be done here, and why.
  static absl::StatusOr<std::unique_ptr<Jail>> Start(const JailOptions& options, OnEnd on_end,
                                                     OnStarting on_starting = nullptr);
  // All files must be closed.
  ~Jail() override;

  // ResourceExhausted: no descriptor or memory left. Probe and Decode of the file add to the errors
  // of imaging: InvalidArgument where its decoder crashed, or wanted more memory or time than a
  // picture of its size may have; Unavailable where no process is left and none can be started.
  absl::StatusOr<std::unique_ptr<const PictureFile>> Open(absl::string_view bytes) override;

  // Whether headers are read and pictures are decoded: false while files are answered Unavailable.
  bool Serves() const;

 private:
  friend class JailedFile;
  // Processes for one kind of task.
  struct Cell {
    int wanted = 0;
    int running = 0;  // idle or at work
    std::vector<std::unique_ptr<DecoderProcess>> idle;
  };

  Jail(const JailOptions& options, OnEnd on_end, OnStarting on_starting);
  // An idle process; waits for one. Cancelled; Unavailable where none is to come.
  absl::StatusOr<std::unique_ptr<DecoderProcess>> Take(Cell* cell, const IsCancelled& cancelled);
  // Back, or what is left of it.
  void Give(Cell* cell, std::unique_ptr<DecoderProcess> process);
  // Starts what is missing.
  void Keep();
  bool Missing() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nothing of this kind runs, and the last start failed.
  bool Lost(const Cell& cell) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const JailOptions options_;
  const OnEnd on_end_;
  const OnStarting on_starting_;
  mutable absl::Mutex mutex_;
  Cell decoders_ ABSL_GUARDED_BY(mutex_);
  Cell probers_ ABSL_GUARDED_BY(mutex_);
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;  // the last start failed
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  SteadyFlag stopping_;  // with stop_
  std::thread keeper_;
};

}  // namespace hiif

#endif  // JAIL_JAIL_H_
