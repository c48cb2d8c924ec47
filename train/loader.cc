#include "train/loader.h"

#include <algorithm>
#include <utility>

namespace hiif::train {

Loader::Loader(const SampleSource* sampler, int64_t first, const LoaderOptions& options)
    : sampler_(sampler),
      ahead_(std::max<int64_t>(options.ahead, 1)),
      taken_(first),
      started_(first) {
  for (int i = 0; i < std::max(options.threads, 1); ++i) threads_.emplace_back([this] { Work(); });
}

Loader::~Loader() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

bool Loader::MayStart() const { return stop_ || started_ < taken_ + ahead_; }

void Loader::Work() {
  while (true) {
    int64_t step;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Loader::MayStart));
      if (stop_) return;
      step = started_++;
    }
    std::vector<Sample> batch;
    for (int64_t item = 0; item < sampler_->batch(); ++item) {
      batch.push_back(sampler_->Draw(step, item));
    }
    absl::MutexLock lock(&mutex_);
    finished_.emplace(step, std::move(batch));
  }
}

std::vector<Sample> Loader::Next() {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this]()
                         ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return finished_.count(taken_) > 0; };
  mutex_.Await(absl::Condition(&ready));
  auto node = finished_.extract(taken_);
  ++taken_;
  return std::move(node.mapped());
}

}  // namespace hiif::train
