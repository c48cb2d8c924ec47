#include "model/layers/layers.h"

#include <c10/core/GradMode.h>

namespace hiif {

at::Tensor Conv(const at::Tensor& x, const Scope& scope) {
  const at::Tensor& weight = scope.At("weight");
  return at::conv2d(x, weight, scope.At("bias"), /*stride=*/1, /*padding=*/weight.size(2) / 2);
}

at::Tensor Linear(const at::Tensor& x, const Scope& scope) {
  return at::linear(x, scope.At("weight"), scope.At("bias"));
}

at::Tensor LayerNorm(const at::Tensor& x, const Scope& scope) {
  return at::layer_norm(x, {x.size(-1)}, scope.At("weight"), scope.At("bias"), /*eps=*/1e-5);
}

at::Tensor AddTo(at::Tensor& x, const at::Tensor& y) { return TakesGradient() ? x + y : x.add_(y); }

bool TakesGradient() { return c10::GradMode::is_enabled(); }

void Beat(const Heartbeat& beat) {
  if (beat && !beat()) throw Interrupted{};
}

namespace {

// Rows and columns of `image` at index(size, padded), up to height x width.
template <class F>
at::Tensor Extend(const at::Tensor& image, int64_t height, int64_t width, const F& index) {
  at::Tensor out = image;
  if (height != image.size(2)) {
    out = out.index_select(2, index(image.size(2), height).to(image.device()));
  }
  if (width != image.size(3)) {
    out = out.index_select(3, index(image.size(3), width).to(image.device()));
  }
  return out;
}

}  // namespace

at::Tensor PadSymmetric(const at::Tensor& image, int64_t height, int64_t width) {
  return Extend(image, height, width, [](int64_t size, int64_t padded) {
    const at::Tensor i = at::remainder(at::arange(padded, at::kLong), 2 * size);
    return at::minimum(i, 2 * size - 1 - i);
  });
}

at::Tensor PadReflect(const at::Tensor& image, int64_t height, int64_t width) {
  return Extend(image, height, width, [](int64_t size, int64_t padded) {
    if (size == 1) return at::zeros(padded, at::kLong);
    const at::Tensor i = at::remainder(at::arange(padded, at::kLong), 2 * size - 2);
    return at::minimum(i, 2 * size - 2 - i);
  });
}

}  // namespace hiif
