// The paths of the HTTP front (docs/http.md, openapi.json).
#ifndef SERVER_FRONTS_HTTP_ROUTES_H_
#define SERVER_FRONTS_HTTP_ROUTES_H_

#include <memory>
#include <variant>

#include "server/core/call_handler.h"
#include "server/core/upscaling.h"
#include "server/fronts/http/exchange.h"
#include "server/metrics/metrics.h"
#include "server/models/registry.h"

namespace hiif::server::http {

// What the routes need of the server. Everything outlives them.
struct RouteEnvironment {
  CallHandler* calls = nullptr;
  const Upscaling* upscaling = nullptr;
  const ModelRegistry* registry = nullptr;
  Metrics* metrics = nullptr;
  int64_t max_upload_bytes = 0;
};

class Routes : public Handler {
 public:
  explicit Routes(const RouteEnvironment& environment) : environment_(environment) {}

  std::variant<Answer, std::unique_ptr<Exchange>> OnHead(const Request& request) override;
  Answer OnBadRequest(int http_status, absl::string_view what) override;

 private:
  Answer Models(const Request& request) const;

  const RouteEnvironment environment_;
};

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_ROUTES_H_
