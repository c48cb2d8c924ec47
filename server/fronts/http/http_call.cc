#include "server/fronts/http/http_call.h"

#include "server/core/request_id.h"

namespace hiif::server::http {

HttpCall::HttpCall(const Request& request)
    : arrival_(request.arrival),
      request_id_(NewRequestId()),
      traceparent_(request.Header("traceparent")) {}

}  // namespace hiif::server::http
