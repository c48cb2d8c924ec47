// What a training run leaves on disk. Every file is replaced as a whole or not at all.
//
//   options.json           what was chosen
//   state.safetensors      everything needed to go on: weights, average, moments, where it is
//   weights.safetensors    the average at the last checkpoint, in the native format: can be served
//   best.safetensors       likewise, where the validation PSNR was highest
//   log.csv                one line every --log-every steps
//   validation.csv         one line a validation; until-STEP.validation.csv: of other images,
//   scales
//                          or crop, which a run had until that step
#ifndef TRAIN_RUN_FOLDER_H_
#define TRAIN_RUN_FOLDER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/layers/layers.h"

namespace hiif::train {

// Where a run is, beside its tensors.
struct Progress {
  int64_t step = 0;     // steps done, the skipped ones included
  int64_t updates = 0;  // of the weights: Adam corrects its moments by their number
  int64_t skipped = 0;  // steps without a finite gradient
  int64_t bad_in_row = 0;
  double seconds = 0;  // spent in training
  double best_psnr = 0;
  int64_t best_step = -1;       // none yet
  bool validation_due = false;  // of this step: a stop came first
};

struct RunState {
  Progress progress;
  std::string options;      // JSON
  std::string fingerprint;  // of the data
  std::string origin;       // of the first weights
  // What earlier builds did not write is empty in their states.
  std::string teacher;     // SHA-256 of its file; empty: none
  std::string validation;  // what best_psnr is of: images, scales, crop; empty: nothing yet
  std::map<std::string, std::string> kept;  // InitialWeights::kept
  ModelConfig config;
  std::map<std::string, at::Tensor> tensors;
};

class RunFolder {
 public:
  // Makes the folder where it is absent; what a process that was killed left half-written goes.
  // FailedPrecondition: another process trains in it. Unknown: it cannot be locked.
  static absl::StatusOr<RunFolder> Open(const std::string& path);
  ~RunFolder();
  RunFolder(RunFolder&& other) noexcept;
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  bool HasState() const;
  absl::Status SaveState(const RunState& state) const;
  absl::StatusOr<RunState> LoadState() const;

  absl::Status WriteOptions(const std::string& json) const;
  std::string weights_path() const { return path_ + "/weights.safetensors"; }
  std::string best_path() const { return path_ + "/best.safetensors"; }

  // Appends a line to `name` (log.csv, validation.csv), after `header` where the file is new.
  absl::Status AppendLine(const std::string& name, const std::string& header,
                          const std::string& line) const;
  // Drops the lines of steps after `step`, which a run that goes on from there writes again.
  absl::Status TrimLog(const std::string& name, int64_t step) const;
  // Gives it the name until-STEP.`name`, if it is there.
  absl::Status SetLogAside(const std::string& name, int64_t step) const;

 private:
  RunFolder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::string path_;
  int lock_ = -1;
};

// A native checkpoint (model.md 4) of float32 values; `notes` are metadata beside the
// configuration's.
absl::Status WriteWeights(const std::string& path, const ModelConfig& config,
                          const Parameters& parameters,
                          const std::map<std::string, std::string>& notes);

}  // namespace hiif::train

#endif  // TRAIN_RUN_FOLDER_H_
