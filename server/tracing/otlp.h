// Spans of requests for an OpenTelemetry collector (OTLP over HTTP): one a request, with its stages
// as children.
#ifndef SERVER_TRACING_OTLP_H_
#define SERVER_TRACING_OTLP_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/core/tracer.h"

namespace hiif::server {

// endpoint: "http://collector:4318/v1/traces", or https. A collector that is not there costs
// nothing but its spans. InvalidArgument: another endpoint; Unimplemented: this build has no
// opentelemetry-cpp.
absl::StatusOr<std::unique_ptr<Tracer>> MakeTracer(const std::string& endpoint);

}  // namespace hiif::server

#endif  // SERVER_TRACING_OTLP_H_
