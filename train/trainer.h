// A training run from its first step, or from where it was stopped, to its end.
#ifndef TRAIN_TRAINER_H_
#define TRAIN_TRAINER_H_

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "train/options.h"

namespace hiif::train {

enum class Outcome {
  kFinished,  // all steps done
  kStopped,   // asked to, or options.minutes are over: Train() with the same folder goes on
};

struct TrainHooks {
  // Progress for people, one line without its end.
  std::function<void(const std::string&)> say;
  // Asked after every step; true stops with a checkpoint. Set from a signal handler.
  const std::atomic<bool>* stop = nullptr;
};

// Trains in the folder `run` (train/run_folder.h), going on where it has a state. A run that was
// stopped and goes on ends with the same bits as one that was not, on the same machine with the
// same LibTorch.
//
// InvalidArgument: options or files that do not fit; where the run goes on, options that would
// change its course, other data, or another teacher. Aborted: options.max_bad_steps steps in a row
// without a finite gradient. FailedPrecondition: the folder is in use. ResourceExhausted: no
// memory, or no disk.
absl::StatusOr<Outcome> Train(const TrainOptions& options, const std::string& run,
                              const TrainHooks& hooks);

}  // namespace hiif::train

#endif  // TRAIN_TRAINER_H_
