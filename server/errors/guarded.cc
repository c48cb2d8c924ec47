#include "server/errors/guarded.h"

#include <exception>
#include <new>

#include "absl/time/time.h"
#include "server/errors/errors.h"

namespace hiif::server {

absl::Status Guarded(absl::FunctionRef<absl::Status()> body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonMemory, "out of memory",
                           absl::Seconds(1));
  } catch (const std::exception& e) {
    return absl::InternalError(e.what());
  }
}

}  // namespace hiif::server
