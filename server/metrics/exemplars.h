// The last traced request of each bucket of a histogram.
#ifndef SERVER_METRICS_EXEMPLARS_H_
#define SERVER_METRICS_EXEMPLARS_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "prometheus/labels.h"

namespace hiif::server {

struct Exemplar {
  std::string trace_id;
  double value = 0;
  absl::Time time;  // of the wall clock
};

// Any thread. Holds as much as there are series: names and labels come from fixed sets.
class Exemplars {
 public:
  // bounds: ascending upper bounds of the buckets, without the last, which has none.
  void Observe(const std::string& name, const prometheus::Labels& labels,
               const std::vector<double>& bounds, Exemplar exemplar);
  std::optional<Exemplar> Find(const std::string& name, const prometheus::Labels& labels,
                               size_t bucket) const;

 private:
  using Series = std::pair<std::string, prometheus::Labels>;
  mutable absl::Mutex mutex_;
  std::map<Series, std::vector<std::optional<Exemplar>>> series_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif::server

#endif  // SERVER_METRICS_EXEMPLARS_H_
