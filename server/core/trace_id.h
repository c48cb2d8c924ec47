// W3C Trace Context, as far as logs need it.
#ifndef SERVER_CORE_TRACE_ID_H_
#define SERVER_CORE_TRACE_ID_H_

#include <string>

#include "absl/strings/string_view.h"

namespace hiif::server {

// trace-id of "00-<32 hex>-<16 hex>-<2 hex>" (W3C Trace Context), or empty.
std::string TraceId(absl::string_view traceparent);

}  // namespace hiif::server

#endif  // SERVER_CORE_TRACE_ID_H_
