// Internal to model/upscaler: what the LibTorch backends share.
#ifndef MODEL_UPSCALER_TENSORS_H_
#define MODEL_UPSCALER_TENSORS_H_

#include <ATen/ATen.h>

#include <exception>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/image.h"
#include "model/config.h"

namespace hiif {

// Part of an image, (1,3,h,w) float32, normalised; in channels-last order. May view the image.
at::Tensor NormalisedImage(const RgbImage& image, const Region& region,
                           const Normalisation& normalisation = {});

// LibTorch reports by exceptions; they end here.
template <class F>
auto CatchTorch(F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const c10::OutOfMemoryError& e) {
    return absl::ResourceExhaustedError(
        absl::StrCat("device memory: ", e.what_without_backtrace()));
  } catch (const c10::Error& e) {
    return absl::InternalError(absl::StrCat("LibTorch: ", e.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& e) {
    return absl::InternalError(e.what());
  }
}

}  // namespace hiif

#endif  // MODEL_UPSCALER_TENSORS_H_
