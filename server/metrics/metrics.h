// Everything hiif-server counts, with its names, labels and buckets (docs/operations.md lists
// them). Label values come from fixed sets: methods, codes, reasons, stages, and the names of
// registered models.
#ifndef SERVER_METRICS_METRICS_H_
#define SERVER_METRICS_METRICS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "server/metrics/exemplars.h"
#include "server/metrics/stage.h"

namespace hiif::server {

// Any thread.
class Metrics {
 public:
  // device: the label of the device's series, "cpu" or "cuda:N".
  explicit Metrics(const std::string& device);

  // Creates the series of a model at 0. Only registered names appear as labels.
  void AddModel(const std::string& model);

  // What serves under the name: a series that is always 1, whose labels say it. identity: as
  // Upscaler has it. version empty: nothing does.
  void ModelInfo(const std::string& model, const std::string& version, const std::string& identity)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // One call is over. front: the door it came by, "grpc", ... code: "OK", "INVALID_ARGUMENT", ...
  // model: a registered name, or empty where the call did not get that far. queued: admission to
  // first work; 0: it was not admitted. trace_id: becomes the exemplar of its bucket; or empty.
  void RequestDone(absl::string_view front, absl::string_view method, absl::string_view model,
                   absl::string_view code, absl::Duration duration, absl::Duration queued,
                   absl::string_view trace_id = "");
  // A call refused before work was spent on it; reason as in ErrorInfo.
  void Rejected(absl::string_view reason);
  // A connection closed at once; reason as in server/fronts/acceptor.h.
  void ConnectionRefused(absl::string_view reason);
  // A decoder process that ended; reason as in jail/decoder_process.h.
  void DecoderEnded(absl::string_view reason);
  void StageTime(Stage stage, absl::Duration duration);
  void FirstTile(absl::Duration since_arrival);
  void Batch(int64_t coordinates, int64_t requests);
  void TileSent(int64_t pixels);
  void Backpressure(absl::Duration waited);
  void OutOfMemory();
  // Pieces computed again in float32, since the process began.
  void Recomputed(int64_t total);
  void FeatureCache(bool hit);
  // +1 when a call begins, -1 when it ends.
  void InFlight(int change);

  prometheus::Family<prometheus::Gauge>& model_state() { return model_state_; }
  prometheus::Family<prometheus::Gauge>& model_memory() { return model_memory_; }
  // What LibTorch's caching allocator holds; for devices that have one, "allocated" or "reserved".
  prometheus::Family<prometheus::Gauge>& device_allocator() { return device_allocator_; }
  // Bytes counted for an admitted request of a model; negative when it ends.
  void Workspace(const std::string& model, int64_t bytes);

  // Gauges that are read when they are asked for, see OnCollect().
  struct Gauges {
    prometheus::Gauge& ready;
    prometheus::Gauge& queue_requests;
    prometheus::Gauge& queue_coordinates;
    prometheus::Gauge& drain_seconds;
    prometheus::Gauge& feature_cache_bytes;
    prometheus::Gauge& device_memory_used;
    prometheus::Gauge& device_memory_size;
    prometheus::Gauge& device_memory_peak;
    prometheus::Gauge& connections;
    prometheus::Gauge& uploads;
  };
  Gauges& gauges() { return gauges_; }

  // Called before each collection; set the gauges there. To be registered before serving starts.
  void OnCollect(std::function<void()> hook);

  // The exposition of /metrics, format 0.0.4, and that of OpenMetrics, which has exemplars.
  std::string Text();
  std::string OpenMetrics();

 private:
  std::vector<prometheus::MetricFamily> Collect();

  const std::string device_;
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& rejected_;
  prometheus::Family<prometheus::Counter>& connections_refused_;
  prometheus::Family<prometheus::Counter>& decoders_ended_;
  prometheus::Family<prometheus::Histogram>& request_duration_;
  prometheus::Family<prometheus::Histogram>& queue_duration_;
  prometheus::Family<prometheus::Histogram>& stage_duration_;
  prometheus::Family<prometheus::Gauge>& model_state_;
  prometheus::Family<prometheus::Gauge>& model_memory_;
  prometheus::Family<prometheus::Gauge>& model_info_;
  prometheus::Family<prometheus::Gauge>& device_allocator_;
  prometheus::Histogram& first_tile_;
  prometheus::Histogram& batch_coordinates_;
  prometheus::Histogram& batch_requests_;
  std::array<prometheus::Histogram*, kStages> stages_;
  prometheus::Gauge& inflight_;
  prometheus::Counter& output_pixels_;
  prometheus::Counter& tiles_;
  prometheus::Counter& oom_;
  prometheus::Counter& recomputed_;
  prometheus::Counter& backpressure_;
  prometheus::Counter& cache_hits_;
  prometheus::Counter& cache_misses_;
  Gauges gauges_;
  std::vector<std::function<void()>> hooks_;
  Exemplars exemplars_;
  absl::Mutex mutex_;
  std::map<std::string, prometheus::Gauge*> infos_ ABSL_GUARDED_BY(mutex_);  // by model
};

}  // namespace hiif::server

#endif  // SERVER_METRICS_METRICS_H_
