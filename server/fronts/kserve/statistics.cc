#include "server/fronts/kserve/statistics.h"

#include "absl/time/clock.h"

namespace hiif::server::kserve {
namespace {

void Count(double seconds, inference::StatisticDuration* statistic) {
  statistic->set_count(statistic->count() + 1);
  statistic->set_ns(statistic->ns() + static_cast<uint64_t>(seconds * 1e9));
}

}  // namespace

void Statistics::Add(const CallReport& report, bool ok, absl::Duration duration) {
  if (report.model.empty()) return;
  absl::MutexLock lock(&mutex_);
  inference::ModelStatistics& model = models_[report.model];
  auto* stats = model.mutable_inference_stats();
  if (!ok) return Count(absl::ToDoubleSeconds(duration), stats->mutable_fail());
  model.set_last_inference(static_cast<uint64_t>(absl::ToUnixMillis(absl::Now())));
  model.set_inference_count(model.inference_count() + 1);
  model.set_execution_count(model.execution_count() + 1);
  Count(absl::ToDoubleSeconds(duration), stats->mutable_success());
  Count(report.times.queue(), stats->mutable_queue());
  Count(report.times.decode(), stats->mutable_compute_input());
  Count(report.times.encode() + report.times.context() + report.times.query(),
        stats->mutable_compute_infer());
  Count(report.times.file() + report.times.send(), stats->mutable_compute_output());
  if (report.features_cached) Count(absl::ToDoubleSeconds(duration), stats->mutable_cache_hit());
}

inference::ModelStatistics Statistics::Of(const std::string& name,
                                          const std::string& version) const {
  inference::ModelStatistics statistics;
  absl::MutexLock lock(&mutex_);
  if (const auto found = models_.find(name); found != models_.end()) statistics = found->second;
  statistics.set_name(name);
  statistics.set_version(version);
  statistics.mutable_inference_stats()->mutable_success();
  return statistics;
}

}  // namespace hiif::server::kserve
