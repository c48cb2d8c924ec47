#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "opentelemetry/exporters/otlp/otlp_http_exporter_factory.h"
#include "opentelemetry/exporters/otlp/otlp_http_exporter_options.h"
#include "opentelemetry/sdk/common/global_log_handler.h"
#include "opentelemetry/sdk/resource/resource.h"
#include "opentelemetry/sdk/trace/batch_span_processor_factory.h"
#include "opentelemetry/sdk/trace/batch_span_processor_options.h"
#include "opentelemetry/sdk/trace/samplers/always_on_factory.h"
#include "opentelemetry/sdk/trace/samplers/parent_factory.h"
#include "opentelemetry/sdk/trace/tracer_provider_factory.h"
#include "opentelemetry/trace/propagation/http_trace_context.h"
#include "opentelemetry/trace/span.h"
#include "opentelemetry/trace/tracer.h"
#include "opentelemetry/trace/tracer_provider.h"
#include "server/config/version.h"
#include "server/logging/log.h"
#include "server/tracing/otlp.h"

namespace hiif::server {
namespace {

namespace api = opentelemetry::trace;
namespace otlp = opentelemetry::exporter::otlp;
namespace sdk = opentelemetry::sdk;
using opentelemetry::common::SteadyTimestamp;
using opentelemetry::common::SystemTimestamp;

constexpr auto kExportTimeout = std::chrono::seconds(2);
constexpr size_t kMaxQueued = 2048;
constexpr size_t kBatch = 512;
constexpr auto kDelay = std::chrono::milliseconds(1000);

// What the SDK has to say goes into the server's log.
class LogHandler : public sdk::common::internal_log::LogHandler {
 public:
  void Handle(sdk::common::internal_log::LogLevel level, const char*, int, const char* message,
              const sdk::common::AttributeMap&) noexcept override {
    if (level <= sdk::common::internal_log::LogLevel::Warning)
      LogWarning("traces", {{"error", message == nullptr ? "" : message}});
  }
};

opentelemetry::nostd::string_view View(const std::string& text) { return text; }

// Only differences of the steady clock count: its origin is that of the system's here.
SteadyTimestamp Steady(absl::Time time) {
  return SteadyTimestamp(std::chrono::nanoseconds(absl::ToUnixNanos(time)));
}

api::StartSpanOptions From(absl::Time begin) {
  api::StartSpanOptions options;
  options.start_system_time = SystemTimestamp(std::chrono::nanoseconds(absl::ToUnixNanos(begin)));
  options.start_steady_time = Steady(begin);
  return options;
}

api::EndSpanOptions Until(absl::Time end) {
  api::EndSpanOptions options;
  options.end_steady_time = Steady(end);
  return options;
}

// The gRPC service of a method, as it is called on the wire; empty: another protocol.
absl::string_view ServiceOf(const TracedCall& call) {
  if (call.front == "http") return "";
  if (call.front == "kserve") return "inference.GRPCInferenceService";
  return call.method == "LoadModel" || call.method == "UnloadModel"
             ? "hiif.v1.ModelControlService"
             : "hiif.v1.SuperResolutionService";
}

// "00-<32 hex>-<16 hex>-<2 hex>", checked by the caller.
api::SpanContext Parent(const std::string& traceparent) {
  using Format = api::propagation::HttpTraceContext;
  if (traceparent.size() < 55) return api::SpanContext::GetInvalid();
  return api::SpanContext(Format::TraceIdFromHex(traceparent.substr(3, 32)),
                          Format::SpanIdFromHex(traceparent.substr(36, 16)),
                          Format::TraceFlagsFromHex(traceparent.substr(53, 2)), true);
}

// Of the codes that are a server's failure, by OpenTelemetry's conventions for gRPC.
bool IsFailure(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

class OtlpTracer : public Tracer {
 public:
  explicit OtlpTracer(const std::string& endpoint) {
    sdk::common::internal_log::GlobalLogHandler::SetLogHandler(
        opentelemetry::nostd::shared_ptr<sdk::common::internal_log::LogHandler>(new LogHandler));
    otlp::OtlpHttpExporterOptions http;
    http.url = endpoint;
    http.content_type = otlp::HttpRequestContentType::kBinary;
    http.timeout = kExportTimeout;
    sdk::trace::BatchSpanProcessorOptions batches;
    batches.max_queue_size = kMaxQueued;
    batches.max_export_batch_size = kBatch;
    batches.schedule_delay_millis = kDelay;
    // OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME of the environment win.
    const auto resource = sdk::resource::Resource::Create(
        {{"service.name", "hiif-server"}, {"service.version", kVersion}});
    provider_ = sdk::trace::TracerProviderFactory::Create(
        sdk::trace::BatchSpanProcessorFactory::Create(otlp::OtlpHttpExporterFactory::Create(http),
                                                      batches),
        resource,
        sdk::trace::ParentBasedSamplerFactory::Create(
            std::shared_ptr<sdk::trace::Sampler>(sdk::trace::AlwaysOnSamplerFactory::Create())));
    tracer_ = provider_->GetTracer("hiif-server", kVersion);
  }

  std::string Record(const TracedCall& call, const CallReport& report) override {
    api::StartSpanOptions options = From(call.begin);
    options.kind = api::SpanKind::kServer;
    if (!call.traceparent.empty()) options.parent = Parent(call.traceparent);
    const std::string service(ServiceOf(call));
    const auto span =
        tracer_->StartSpan(absl::StrCat(service.empty() ? "http" : service, "/", call.method),
                           {{"hiif.front", std::string(call.front)},
                            {"hiif.request_id", View(call.request_id)},
                            {"hiif.model", View(report.model)},
                            {"hiif.input_pixels", report.input_pixels},
                            {"hiif.output_pixels", report.output_pixels},
                            {"hiif.features_cached", report.features_cached}},
                           options);
    if (!service.empty()) {
      span->SetAttribute("rpc.system", "grpc");
      span->SetAttribute("rpc.service", View(service));
      span->SetAttribute("rpc.method", View(call.method));
      span->SetAttribute("rpc.grpc.status_code", call.status.raw_code());
    }
    if (IsFailure(call.status.code()))
      span->SetStatus(api::StatusCode::kError, std::string(call.status.message()));
    const bool sampled = span->GetContext().IsSampled();
    if (sampled) {
      for (const StageSpan& stage : report.stages) {
        api::StartSpanOptions child = From(stage.begin);
        child.parent = span->GetContext();
        tracer_->StartSpan(stage.name, {{"hiif.worker_seconds", stage.worker_seconds}}, child)
            ->End(Until(stage.end));
      }
    }
    span->End(Until(call.end));
    if (!sampled) return "";
    char hex[32];
    span->GetContext().trace_id().ToLowerBase16(hex);
    return std::string(hex, sizeof(hex));
  }

 private:
  std::unique_ptr<api::TracerProvider> provider_;  // its end sends what is left
  opentelemetry::nostd::shared_ptr<api::Tracer> tracer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tracer>> MakeTracer(const std::string& endpoint) {
  if (!absl::StartsWith(endpoint, "http://") && !absl::StartsWith(endpoint, "https://"))
    return absl::InvalidArgumentError(
        absl::StrCat("--trace-endpoint: \"", endpoint,
                     "\" is not a URL such as http://collector:4318/v1/traces"));
  return std::make_unique<OtlpTracer>(endpoint);
}

}  // namespace hiif::server
