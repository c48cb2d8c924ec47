// Internal to model/: a call of an engine, whose exceptions end here.
#ifndef MODEL_UPSCALER_GUARDED_CALL_H_
#define MODEL_UPSCALER_GUARDED_CALL_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/engine/engine.h"
#include "model/upscaler/guard.h"

namespace hiif {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// Guard(f); Unavailable where the engine's device is lost: no later call can be well either.
template <class F>
auto GuardedCall(const Engine& engine, F&& f) -> decltype(f()) {
  auto result = Guard(std::forward<F>(f));
  const absl::Status& status = StatusOf(result);
  if (absl::IsInternal(status) && engine.Lost()) {
    return absl::UnavailableError(absl::StrCat("the device is lost: ", status.message()));
  }
  return result;
}

}  // namespace hiif

#endif  // MODEL_UPSCALER_GUARDED_CALL_H_
