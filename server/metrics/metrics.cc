#include "server/metrics/metrics.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "prometheus/text_serializer.h"
#include "server/config/version.h"
#include "server/metrics/open_metrics.h"
#include "server/metrics/process.h"

namespace hiif::server {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;
using Buckets = Histogram::BucketBoundaries;

// A thumbnail takes 5 ms, a poster in a queue an hour.
const Buckets& Seconds() {
  static const auto* buckets = new Buckets{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,    2.5,
                                           5,     10,   30,    60,   120, 300,  900, 1800, 3600};
  return *buckets;
}

Buckets PowersOfTwo(int first, int last) {
  Buckets buckets;
  for (int i = first; i <= last; ++i) buckets.push_back(static_cast<double>(int64_t{1} << i));
  return buckets;
}

// What each front offers; `model`: it runs one, and its series are known per model.
struct Method {
  const char* front;
  const char* name;
  bool model;
};
constexpr Method kMethods[] = {{"grpc", "Upscale", true},
                               {"grpc", "UpscaleUpload", true},
                               {"grpc", "Query", true},
                               {"grpc", "QueryUpload", true},
                               {"grpc", "ListModels", false},
                               {"grpc", "GetModel", false},
                               {"grpc", "LoadModel", false},
                               {"grpc", "UnloadModel", false},
                               {"http", "Upscale", true},
                               {"http", "ListModels", false},
                               {"http", "GetModel", false},
                               {"kserve", "ModelInfer", true},
                               {"kserve", "ModelStreamInfer", false}};
constexpr const char* kCodes[] = {
    "OK",          "CANCELLED", "INVALID_ARGUMENT",  "DEADLINE_EXCEEDED",
    "UNAVAILABLE", "INTERNAL",  "RESOURCE_EXHAUSTED"};
constexpr const char* kRejections[] = {"QUEUE_FULL", "DEADLINE_OUT_OF_REACH", "MEMORY",
                                       "DRAINING",   "MODEL_LOADING",         "REQUEST_TOO_LARGE"};
constexpr const char* kDecoderEnds[] = {"CRASH", "MEMORY", "TIME", "CANCELLED", "IDLE"};
constexpr const char* kConnectionRefusals[] = {"DESCRIPTORS", "CONNECTIONS", "ADDRESS", "FLOOD"};

Counter& AddCounter(Registry& registry, const char* name, const char* help) {
  return BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

Gauge& AddGauge(Registry& registry, const char* name, const char* help,
                const prometheus::Labels& labels = {}) {
  return BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

Histogram& AddHistogram(Registry& registry, const char* name, const char* help,
                        const Buckets& buckets) {
  return BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
}

}  // namespace

Metrics::Metrics(const std::string& device)
    : device_(device),
      requests_(BuildCounter()
                    .Name("hiif_requests_total")
                    .Help("Calls that ended, by front, method, model and gRPC code")
                    .Register(registry_)),
      rejected_(BuildCounter()
                    .Name("hiif_rejected_total")
                    .Help("Calls refused before work was spent on them, by reason")
                    .Register(registry_)),
      connections_refused_(BuildCounter()
                               .Name("hiif_connections_refused_total")
                               .Help("Connections closed as soon as they came, by reason")
                               .Register(registry_)),
      decoders_ended_(BuildCounter()
                          .Name("hiif_decoders_ended_total")
                          .Help("Decoder processes that ended, by reason; IDLE: without a file")
                          .Register(registry_)),
      request_duration_(
          BuildHistogram()
              .Name("hiif_request_duration_seconds")
              .Help("Arrival to last message of a call, by front, method and gRPC code")
              .Register(registry_)),
      queue_duration_(BuildHistogram()
                          .Name("hiif_queue_duration_seconds")
                          .Help("Admission to first work on a request, by the call's gRPC code")
                          .Register(registry_)),
      stage_duration_(BuildHistogram()
                          .Name("hiif_stage_duration_seconds")
                          .Help("Time a request spent in a stage, summed over workers")
                          .Register(registry_)),
      model_state_(BuildGauge()
                       .Name("hiif_model_state")
                       .Help("1 for the state a model is in, else 0")
                       .Register(registry_)),
      model_memory_(BuildGauge()
                        .Name("hiif_model_memory_bytes")
                        .Help("Memory of a model by kind: weights, features kept, workspace in use")
                        .Register(registry_)),
      model_info_(BuildGauge()
                      .Name("hiif_model_info")
                      .Help("1: the version of a model that serves, and by what arithmetic")
                      .Register(registry_)),
      device_allocator_(
          BuildGauge()
              .Name("hiif_device_allocator_bytes")
              .Help("Memory of tensors (allocated), and that kept for them (reserved)")
              .Register(registry_)),
      first_tile_(AddHistogram(registry_, "hiif_time_to_first_tile_seconds",
                               "Arrival to the first tile or chunk handed to the stream",
                               Seconds())),
      batch_coordinates_(AddHistogram(registry_, "hiif_batch_coordinates",
                                      "Output coordinates of one device call", PowersOfTwo(6, 22))),
      batch_requests_(AddHistogram(registry_, "hiif_batch_requests",
                                   "Requests that shared one device call", PowersOfTwo(0, 7))),
      inflight_(AddGauge(registry_, "hiif_inflight_requests", "Calls being handled")),
      output_pixels_(AddCounter(registry_, "hiif_output_pixels_total", "Output pixels sent")),
      tiles_(AddCounter(registry_, "hiif_tiles_total", "Tiles sent or put into an encoded file")),
      oom_(AddCounter(registry_, "hiif_oom_total", "Times the device had no memory left")),
      recomputed_(AddCounter(
          registry_, "hiif_recomputed_total",
          "Pieces that were not finite in reduced precision and were computed again in float32")),
      backpressure_(AddCounter(registry_, "hiif_stream_backpressure_seconds_total",
                               "Time spent waiting for clients to take their messages")),
      cache_hits_(AddCounter(registry_, "hiif_feature_cache_hits_total",
                             "Images whose latent codes were kept")),
      cache_misses_(AddCounter(registry_, "hiif_feature_cache_misses_total",
                               "Images that had to be encoded")),
      gauges_{
          AddGauge(registry_, "hiif_ready",
                   "1 where /readyz says ok, and while the server drains; 0: it takes no calls"),
          AddGauge(registry_, "hiif_queue_requests", "Requests admitted and not finished"),
          AddGauge(registry_, "hiif_queue_coordinates",
                   "Output coordinates admitted and not computed"),
          AddGauge(
              registry_, "hiif_estimated_drain_seconds",
              "Time to finish what is queued and in flight, each request counted for at most 60 s"),
          AddGauge(registry_, "hiif_feature_cache_bytes", "Memory of the feature cache"),
          AddGauge(registry_, "hiif_device_memory_used_bytes",
                   "Memory in use on the device; on a CPU that of the process",
                   {{"device", device}}),
          AddGauge(registry_, "hiif_device_memory_size_bytes",
                   "Memory of the device; on a CPU what the process may use", {{"device", device}}),
          AddGauge(registry_, "hiif_device_memory_peak_bytes",
                   "Most memory that tensors ever had; on a CPU that of the process",
                   {{"device", device}}),
          AddGauge(registry_, "hiif_connections", "Open connections of gRPC and HTTP"),
          AddGauge(registry_, "hiif_incomplete_uploads", "Uploads of gRPC that are not complete"),
      } {
  AddGauge(registry_, "hiif_build_info", "1, with the version as a label", {{"version", kVersion}})
      .Set(1);
  for (const Stage stage : kAllStages)
    stages_[static_cast<int>(stage)] =
        &stage_duration_.Add({{"stage", StageName(stage)}}, Seconds());
  for (const Method& method : kMethods) {
    request_duration_.Add({{"front", method.front}, {"method", method.name}, {"code", "OK"}},
                          Seconds());
    for (const char* code : kCodes)
      requests_.Add(
          {{"front", method.front}, {"method", method.name}, {"model", ""}, {"code", code}});
  }
  queue_duration_.Add({{"code", "OK"}}, Seconds());
  for (const char* reason : kRejections) rejected_.Add({{"reason", reason}});
  for (const char* reason : kDecoderEnds) decoders_ended_.Add({{"reason", reason}});
  for (const char* reason : kConnectionRefusals) connections_refused_.Add({{"reason", reason}});
}

void Metrics::AddModel(const std::string& model) {
  for (const Method& method : kMethods) {
    if (!method.model) continue;
    for (const char* code : kCodes)
      requests_.Add(
          {{"front", method.front}, {"method", method.name}, {"model", model}, {"code", code}});
  }
}

void Metrics::ModelInfo(const std::string& model, const std::string& version,
                        const std::string& identity) {
  absl::MutexLock lock(&mutex_);
  Gauge*& info = infos_[model];
  Gauge* const before = info;
  info = version.empty()
             ? nullptr
             : &model_info_.Add({{"model", model}, {"version", version}, {"identity", identity}});
  if (info != nullptr) info->Set(1);
  if (before != nullptr && before != info) model_info_.Remove(before);
}

void Metrics::RequestDone(absl::string_view front, absl::string_view method,
                          absl::string_view model, absl::string_view code, absl::Duration duration,
                          absl::Duration queued, absl::string_view trace_id) {
  const std::string door(front);
  const std::string name(method);
  const std::string ending(code);
  requests_
      .Add({{"front", door}, {"method", name}, {"model", std::string(model)}, {"code", ending}})
      .Increment();
  const prometheus::Labels labels = {{"front", door}, {"method", name}, {"code", ending}};
  const double seconds = absl::ToDoubleSeconds(duration);
  request_duration_.Add(labels, Seconds()).Observe(seconds);
  if (!trace_id.empty())
    exemplars_.Observe(request_duration_.GetName(), labels, Seconds(),
                       {std::string(trace_id), seconds, absl::Now()});
  if (queued > absl::ZeroDuration())
    queue_duration_.Add({{"code", ending}}, Seconds()).Observe(absl::ToDoubleSeconds(queued));
}

void Metrics::Workspace(const std::string& model, int64_t bytes) {
  model_memory_.Add({{"model", model}, {"device", device_}, {"kind", "workspace"}})
      .Increment(static_cast<double>(bytes));
}

void Metrics::Rejected(absl::string_view reason) {
  rejected_.Add({{"reason", std::string(reason)}}).Increment();
}

void Metrics::ConnectionRefused(absl::string_view reason) {
  connections_refused_.Add({{"reason", std::string(reason)}}).Increment();
}

void Metrics::DecoderEnded(absl::string_view reason) {
  decoders_ended_.Add({{"reason", std::string(reason)}}).Increment();
}

void Metrics::StageTime(Stage stage, absl::Duration duration) {
  stages_[static_cast<int>(stage)]->Observe(absl::ToDoubleSeconds(duration));
}

void Metrics::FirstTile(absl::Duration since_arrival) {
  first_tile_.Observe(absl::ToDoubleSeconds(since_arrival));
}

void Metrics::Batch(int64_t coordinates, int64_t requests) {
  batch_coordinates_.Observe(static_cast<double>(coordinates));
  batch_requests_.Observe(static_cast<double>(requests));
}

void Metrics::TileSent(int64_t pixels) {
  tiles_.Increment();
  output_pixels_.Increment(static_cast<double>(pixels));
}

void Metrics::Backpressure(absl::Duration waited) {
  backpressure_.Increment(absl::ToDoubleSeconds(waited));
}

void Metrics::OutOfMemory() { oom_.Increment(); }

void Metrics::Recomputed(int64_t total) {
  recomputed_.Increment(std::max(0.0, static_cast<double>(total) - recomputed_.Value()));
}

void Metrics::FeatureCache(bool hit) { (hit ? cache_hits_ : cache_misses_).Increment(); }

void Metrics::InFlight(int change) { inflight_.Increment(change); }

void Metrics::OnCollect(std::function<void()> hook) { hooks_.push_back(std::move(hook)); }

std::vector<prometheus::MetricFamily> Metrics::Collect() {
  for (const auto& hook : hooks_) hook();
  auto families = registry_.Collect();
  for (auto& family : ProcessMetrics()) families.push_back(std::move(family));
  return families;
}

std::string Metrics::Text() { return prometheus::TextSerializer().Serialize(Collect()); }

std::string Metrics::OpenMetrics() { return OpenMetricsText(Collect(), exemplars_); }

}  // namespace hiif::server
