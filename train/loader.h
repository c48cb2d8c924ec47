// Batches made ahead of the training step by a few threads.
#ifndef TRAIN_LOADER_H_
#define TRAIN_LOADER_H_

#include <cstdint>
#include <map>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "train/sample.h"

namespace hiif::train {

struct LoaderOptions {
  int threads = 1;
  int64_t ahead = 4;  // batches finished or in work before their step, at least 1
};

// Next() gives the batches of step `first`, first + 1, ... in order; what is in them depends on the
// sampler alone, not on the number of threads. One consumer.
class Loader {
 public:
  // `sampler` must outlive the loader.
  Loader(const SampleSource* sampler, int64_t first, const LoaderOptions& options);
  ~Loader();  // stops the threads
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Waits for the batch if need be. Its index is the item.
  std::vector<Sample> Next();

 private:
  void Work();
  bool MayStart() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SampleSource* const sampler_;
  const int64_t ahead_;
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t taken_ ABSL_GUARDED_BY(mutex_);    // the step whose batch Next() gives out next
  int64_t started_ ABSL_GUARDED_BY(mutex_);  // the step that a thread takes up next
  std::map<int64_t, std::vector<Sample>> finished_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace hiif::train

#endif  // TRAIN_LOADER_H_
