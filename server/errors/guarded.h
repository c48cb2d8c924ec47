// Where exceptions of the service's own code end.
#ifndef SERVER_ERRORS_GUARDED_H_
#define SERVER_ERRORS_GUARDED_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace hiif::server {

// What `body` returns. An exception would end the thread of a call or of a worker, and with it the
// process: no memory is ResourceExhausted, worth another try; anything else Internal.
absl::Status Guarded(absl::FunctionRef<absl::Status()> body);

}  // namespace hiif::server

#endif  // SERVER_ERRORS_GUARDED_H_
