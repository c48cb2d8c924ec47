// MakeTracer() of a build without opentelemetry-cpp.
#include "server/tracing/otlp.h"

namespace hiif::server {

absl::StatusOr<std::unique_ptr<Tracer>> MakeTracer(const std::string&) {
  return absl::UnimplementedError(
      "--trace-endpoint: this build has no opentelemetry-cpp: install its development package and "
      "build again");
}

}  // namespace hiif::server
