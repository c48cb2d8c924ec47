#include "model/kernels/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/gemm_f32.cc"
#include "hwy/foreach_target.h"  // compiles this file once per instruction set
// The order matters.
#include "hwy/highway.h"
#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hiif::kernels {
namespace HWY_NAMESPACE {

// acc plus the product of two units.
struct DotFloat32 {
  static constexpr int kInputs = 1;  // of a unit
  static HWY_INLINE Vec Add(Vec acc, UnitVec x, UnitVec w) {
    return hn::MulAdd(hn::BitCast(Tag(), x), hn::BitCast(Tag(), w), acc);
  }
};
const Kernels* Float32Table() { return PanelTable<DotFloat32, LoadFloat32>(); }

void RgbRows(int64_t rows, const float* x, int64_t x_stride, int columns, const float* weights,
             const float* bias, float* out) {
  const Tag d;
  const int64_t lanes = hn::Lanes(d);
  for (int64_t row = 0; row < rows; ++row, x += x_stride, out += 3) {
    Vec r = hn::Zero(d);
    Vec g = hn::Zero(d);
    Vec b = hn::Zero(d);
    for (int64_t c = 0; c < columns; c += lanes) {
      const Vec v = hn::LoadU(d, x + c);
      r = hn::MulAdd(v, hn::LoadU(d, weights + c), r);
      g = hn::MulAdd(v, hn::LoadU(d, weights + columns + c), g);
      b = hn::MulAdd(v, hn::LoadU(d, weights + 2 * columns + c), b);
    }
    out[0] = bias[0] + hn::GetLane(hn::SumOfLanes(d, r));
    out[1] = bias[1] + hn::GetLane(hn::SumOfLanes(d, g));
    out[2] = bias[2] + hn::GetLane(hn::SumOfLanes(d, b));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hiif::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hiif::kernels {

HWY_EXPORT(Float32Table);
HWY_EXPORT(RgbRows);

const Kernels& Float32Kernels() { return *HWY_DYNAMIC_DISPATCH(Float32Table)(); }

void MultiplyRgbRows(int64_t rows, const float* x, int64_t x_stride, int columns,
                     const float* weights, const float* bias, float* out) {
  HWY_DYNAMIC_DISPATCH(RgbRows)(rows, x, x_stride, columns, weights, bias, out);
}

}  // namespace hiif::kernels
#endif  // HWY_ONCE
