// Internal to model/ and train/: LibTorch and the allocator report by exceptions; here they end.
#ifndef MODEL_UPSCALER_GUARD_H_
#define MODEL_UPSCALER_GUARD_H_

#include <ATen/ATen.h>

#include <exception>
#include <new>
#include <stdexcept>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/layers/layers.h"

namespace hiif {

// What f() returns, a Status or StatusOr, or the status of what it throws: ResourceExhausted where
// there was no memory, Cancelled where a heartbeat said so, else Internal.
template <class F>
auto Guard(F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const Interrupted&) {
    return absl::CancelledError("given up");
  } catch (const c10::OutOfMemoryError& e) {
    return absl::ResourceExhaustedError(
        absl::StrCat("device memory: ", e.what_without_backtrace()));
  } catch (const c10::Error& e) {
    // The CPU allocator of LibTorch says it so.
    const absl::string_view what = e.what_without_backtrace();
    for (const absl::string_view no_memory :
         {"not enough memory", "can't allocate memory",           // of the host
          "CUDA error: out of memory", "STATUS_ALLOC_FAILED"}) {  // pinned; cuBLAS and cuDNN
      if (absl::StrContains(what, no_memory)) {
        return absl::ResourceExhaustedError(absl::StrCat("out of memory: ", what));
      }
    }
    return absl::InternalError(absl::StrCat("LibTorch: ", what));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::length_error&) {
    return absl::ResourceExhaustedError("more memory than there can be");
  } catch (const std::exception& e) {
    return absl::InternalError(e.what());
  }
}

}  // namespace hiif

#endif  // MODEL_UPSCALER_GUARD_H_
