#include "model/kernels/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/gemm_bf16.cc"
#include "hwy/foreach_target.h"  // compiles this file once per instruction set
// The order matters.
#include "hwy/highway.h"
#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hiif::kernels {
namespace HWY_NAMESPACE {

// Sums of pairs of bfloat16, kept as float32.

// The two bfloat16 of a unit as float32.
HWY_INLINE Vec Lower(UnitVec units) { return hn::BitCast(Tag(), hn::ShiftLeft<16>(units)); }
HWY_INLINE Vec Upper(UnitVec units) {
  return hn::BitCast(Tag(), hn::And(units, hn::Set(UnitTag(), 0xffff0000u)));
}

struct DotBFloat16 {
  static constexpr int kInputs = 2;
  static HWY_INLINE Vec Add(Vec acc, UnitVec x, UnitVec w) {
    return hn::MulAdd(Upper(x), Upper(w), hn::MulAdd(Lower(x), Lower(w), acc));
  }
};
const Kernels* BFloat16Table() { return PanelTable<DotBFloat16, LoadBFloat16>(); }

#if HWY_TARGET == HWY_AVX3
// Written as an instruction since Highway has no target with AVX512_BF16 yet.
struct DotNativeBFloat16 {
  static constexpr int kInputs = 2;
  static HWY_INLINE Vec Add(Vec acc, UnitVec x, UnitVec w) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(acc.raw) : "v"(x.raw), "v"(w.raw));
    return acc;
  }
};
const Kernels* NativeTable() { return PanelTable<DotNativeBFloat16, LoadBFloat16>(); }
#else
const Kernels* NativeTable() { return BFloat16Table(); }
#endif

}  // namespace HWY_NAMESPACE
}  // namespace hiif::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hiif::kernels {

HWY_EXPORT(BFloat16Table);
HWY_EXPORT(NativeTable);

const Kernels& BFloat16Kernels() { return *HWY_DYNAMIC_DISPATCH(BFloat16Table)(); }
const Kernels& NativeBFloat16Kernels() { return *HWY_DYNAMIC_DISPATCH(NativeTable)(); }

}  // namespace hiif::kernels
#endif  // HWY_ONCE
