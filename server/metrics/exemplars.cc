#include "server/metrics/exemplars.h"

#include <algorithm>

namespace hiif::server {

void Exemplars::Observe(const std::string& name, const prometheus::Labels& labels,
                        const std::vector<double>& bounds, Exemplar exemplar) {
  const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), exemplar.value);
  const absl::MutexLock lock(&mutex_);
  auto& buckets = series_[{name, labels}];
  buckets.resize(bounds.size() + 1);
  buckets[bucket - bounds.begin()] = std::move(exemplar);
}

std::optional<Exemplar> Exemplars::Find(const std::string& name, const prometheus::Labels& labels,
                                        size_t bucket) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = series_.find({name, labels});
  if (found == series_.end() || bucket >= found->second.size()) return std::nullopt;
  return found->second[bucket];
}

}  // namespace hiif::server
