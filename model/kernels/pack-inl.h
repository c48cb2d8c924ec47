// Factors in Layout::kPanels (gemm.h), for the instruction set that is being compiled.
#if defined(MODEL_KERNELS_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MODEL_KERNELS_PACK_INL_H_
#undef MODEL_KERNELS_PACK_INL_H_
#else
#define MODEL_KERNELS_PACK_INL_H_
#endif

#include "hwy/highway.h"
#include "model/kernels/epilogues-inl.h"
#include "model/kernels/units.h"

HWY_BEFORE_NAMESPACE();
namespace hiif::kernels {
namespace HWY_NAMESPACE {

// Rows whose values lie interleaved: value k of the six, then value k + 1 of the six ... A tile
// then reads its inputs as one stream, which is what keeps the multipliers busy.
inline constexpr int kPackRows = 6;

// Rounds to the nearest bfloat16, to even where two are as near: in the upper half, the lower is
// rubbish. NaN stays NaN, but for the one that is all ones.
template <class D>
HWY_INLINE hn::Vec<hn::Repartition<uint32_t, D>> RoundUpperHalf(D, hn::Vec<D> values) {
  const hn::Repartition<uint32_t, D> d32;
  const auto bits = hn::BitCast(d32, values);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1));
  return hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7fff)));
}

#if HWY_TARGET != HWY_SCALAR
using PackTag = hn::CappedTag<float, 8>;
using PackUnits = hn::Repartition<uint32_t, PackTag>;
using PackPairs = hn::Repartition<uint64_t, PackTag>;

// As many units of a row as a vector has lanes.
struct LoadFloat32 {
  static constexpr int kInputs = 1;  // of a unit
  static HWY_INLINE hn::Vec<PackUnits> Load(const float* HWY_RESTRICT values) {
    return hn::BitCast(PackUnits(), hn::LoadU(PackTag(), values));
  }
};
struct LoadBFloat16 {
  static constexpr int kInputs = 2;
  static HWY_INLINE hn::Vec<PackUnits> Load(const float* HWY_RESTRICT values) {
    const PackTag d;
    const PackUnits d32;
    hn::Vec<PackTag> even, odd;
    hn::LoadInterleaved2(d, values, even, odd);
    return hn::Or(hn::ShiftRight<16>(RoundUpperHalf(d, even)),
                  hn::And(RoundUpperHalf(d, odd), hn::Set(d32, 0xffff0000u)));
  }
};

// Units of two rows in turn: a0 b0 a1 b1 ..., in two vectors.
struct Pairs {
  hn::Vec<PackPairs> first, second;
};
HWY_INLINE Pairs Zip(hn::Vec<PackUnits> a, hn::Vec<PackUnits> b) {
  const PackUnits d;
  const auto lower = hn::InterleaveLower(d, a, b);  // within blocks of 128 bits
  const auto upper = hn::InterleaveUpper(d, a, b);
  if (hn::Lanes(d) == 4) return {hn::BitCast(PackPairs(), lower), hn::BitCast(PackPairs(), upper)};
  return {hn::BitCast(PackPairs(), hn::ConcatLowerLower(d, upper, lower)),
          hn::BitCast(PackPairs(), hn::ConcatUpperUpper(d, upper, lower))};
}

// The first units of six rows, whole vectors of them; returns how many.
template <class Loader>
HWY_INLINE int64_t PackVectors(const float* HWY_RESTRICT x, int64_t stride, int64_t units,
                               int inputs_of_unit, uint32_t* HWY_RESTRICT out) {
  const PackPairs pairs;
  const auto lanes = static_cast<int64_t>(hn::Lanes(PackUnits()));
  int64_t u = 0;
  for (; u + lanes <= units; u += lanes) {
    const auto row = [&](int r)
                         HWY_ATTR { return Loader::Load(x + r * stride + u * inputs_of_unit); };
    const Pairs p0 = Zip(row(0), row(1));
    const Pairs p1 = Zip(row(2), row(3));
    const Pairs p2 = Zip(row(4), row(5));
    auto* to = reinterpret_cast<uint64_t*>(out + u * kPackRows);
    hn::StoreInterleaved3(p0.first, p1.first, p2.first, pairs, to);
    hn::StoreInterleaved3(p0.second, p1.second, p2.second, pairs, to + 3 * lanes / 2);
  }
  return u;
}
#endif

#if HWY_TARGET == HWY_SCALAR
struct LoadFloat32 {};
struct LoadBFloat16 {};
#endif

// As PackRows() of gemm.h. `Loader` is one of the above.
template <class Loader>
void PackPanels(const float* values, int64_t stride, int64_t rows, int64_t inputs, Number number,
                uint32_t* packed) {
  const int64_t units = Units(number, inputs);
  for (int64_t row = 0; row < rows; row += kPackRows) {
    const float* HWY_RESTRICT x = values + row * stride;
    uint32_t* HWY_RESTRICT out = packed + row * units;
    int64_t u = 0;
#if HWY_TARGET != HWY_SCALAR
    u = PackVectors<Loader>(x, stride, inputs / Loader::kInputs, Loader::kInputs, out);
#endif
    for (; u < units; ++u) {
      for (int r = 0; r < kPackRows; ++r) {
        out[u * kPackRows + r] = MakeUnit(number, x + r * stride, u, inputs);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hiif::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard per target
