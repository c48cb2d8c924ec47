#include "model/kernels/gemm.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/gemm.cc"
#include "hwy/foreach_target.h"  // compiles this file once per instruction set
// The order matters.
#include "hwy/highway.h"
#include "model/kernels/epilogues-inl.h"

#ifndef MODEL_KERNELS_GEMM_CC_ONCE_
#define MODEL_KERNELS_GEMM_CC_ONCE_
namespace hiif::kernels {

inline uint32_t RoundToBFloat16(float value) {
  if (value != value) return 0x7fc0;
  const auto bits = std::bit_cast<uint32_t>(value);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// Unit `u` of a row of `inputs` values; beyond the last there are zeros.
inline uint32_t MakeUnit(Number number, const float* row, int64_t u, int64_t inputs) {
  if (number == Number::kFloat32) return std::bit_cast<uint32_t>(row[u]);
  const int64_t rounded_units =
      number == Number::kAmxFloat32 ? Units(number, inputs) / 2 : Units(number, inputs);
  const auto part = [&](int64_t i) -> uint32_t {
    if (i >= inputs) return 0;
    const uint32_t rounded = RoundToBFloat16(row[i]);
    if (u < rounded_units) return rounded;
    return RoundToBFloat16(row[i] - std::bit_cast<float>(rounded << 16));
  };
  const int64_t first = 2 * (u % rounded_units);
  return part(first) | part(first + 1) << 16;
}

}  // namespace hiif::kernels
#endif

#include "model/kernels/amx-inl.h"  // uses MakeUnit()

HWY_BEFORE_NAMESPACE();
namespace hiif::kernels {
namespace HWY_NAMESPACE {

// Rows whose values lie interleaved by PackRows(): value k of the six, then value k + 1 of the
// six ... A tile then reads its inputs as one stream, which is what keeps the multipliers busy.
inline constexpr int kPackRows = 6;
// Register tile: 6 x 2 vectors with 16 registers, 12 x 2 with 32.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
inline constexpr int kTileRows = 12;
#else
inline constexpr int kTileRows = 6;
#endif
inline constexpr int kUnroll = 8;
static_assert(kRowGroup % kTileRows == 0 && kTileRows % kPackRows == 0);

// The two bfloat16 of a unit as float32.
HWY_INLINE Vec Lower(UnitVec units) { return hn::BitCast(Tag(), hn::ShiftLeft<16>(units)); }
HWY_INLINE Vec Upper(UnitVec units) {
  return hn::BitCast(Tag(), hn::And(units, hn::Set(UnitTag(), 0xffff0000u)));
}

// acc plus the product of two units.
struct DotFloat32 {
  static constexpr int kInputs = 1;  // of a unit
  static HWY_INLINE Vec Add(Vec acc, UnitVec x, UnitVec w) {
    return hn::MulAdd(hn::BitCast(Tag(), x), hn::BitCast(Tag(), w), acc);
  }
};
struct DotBFloat16 {
  static constexpr int kInputs = 2;
  static HWY_INLINE Vec Add(Vec acc, UnitVec x, UnitVec w) {
    return hn::MulAdd(Upper(x), Upper(w), hn::MulAdd(Lower(x), Lower(w), acc));
  }
};
#if HWY_TARGET == HWY_AVX3
// Written as an instruction since Highway has no target with AVX512_BF16 yet.
struct DotNativeBFloat16 {
  static constexpr int kInputs = 2;
  static HWY_INLINE Vec Add(Vec acc, UnitVec x, UnitVec w) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(acc.raw) : "v"(x.raw), "v"(w.raw));
    return acc;
  }
};
#endif

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
  static HWY_INLINE hn::Vec<PackUnits> Load(const float* HWY_RESTRICT values) {
    return hn::BitCast(PackUnits(), hn::LoadU(PackTag(), values));
  }
};
struct LoadBFloat16 {
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

void PackRows(const float* values, int64_t stride, int64_t rows, int64_t inputs, Number number,
              uint32_t* packed) {
#if HWY_TARGET == HWY_AVX3
  if (ByAmx(number)) {
    PackRowsAmx(values, stride, rows, inputs, number, packed);
    return;
  }
#endif
  const int64_t units = Units(number, inputs);
  for (int64_t row = 0; row < rows; row += kPackRows) {
    const float* HWY_RESTRICT x = values + row * stride;
    uint32_t* HWY_RESTRICT out = packed + row * units;
    int64_t u = 0;
#if HWY_TARGET != HWY_SCALAR
    u = number == Number::kFloat32 ? PackVectors<LoadFloat32>(x, stride, inputs, 1, out)
                                   : PackVectors<LoadBFloat16>(x, stride, inputs / 2, 2, out);
#endif
    for (; u < units; ++u) {
      for (int r = 0; r < kPackRows; ++r) {
        out[u * kPackRows + r] = MakeUnit(number, x + r * stride, u, inputs);
      }
    }
  }
}

// One register tile: kTileRows rows, two vectors of columns.
template <class Dot, class Epilogue>
HWY_INLINE void Tile(const Product& product, int64_t row, int64_t column, const Epilogue& epilogue,
                     int64_t first_unit) {
  const Tag d;
  const UnitTag units_tag;
  const int64_t units = product.weights->units();
  const uint32_t* HWY_RESTRICT a = product.packed + row * units + first_unit * kPackRows;
  const uint32_t* HWY_RESTRICT b = product.weights->panel(column / kPanelColumns) +
                                   first_unit * kPanelColumns + column % kPanelColumns;
  // The second vector of columns is in the same panel, or in the next.
  const int64_t b_step = 2 * hn::MaxLanes(d) <= kPanelColumns
                             ? static_cast<int64_t>(hn::MaxLanes(d))
                             : units * kPanelColumns;

  Vec acc0[kTileRows];
  Vec acc1[kTileRows];
#pragma GCC unroll 12
  for (int r = 0; r < kTileRows; ++r) acc0[r] = acc1[r] = hn::Zero(d);
  // One unit of every row. Unrolled: what is not a multiplication is half of what the loop does.
  const auto step = [&](int64_t u) HWY_ATTR {
    const UnitVec w0 = hn::LoadU(units_tag, b + u * kPanelColumns);
    const UnitVec w1 = hn::LoadU(units_tag, b + b_step + u * kPanelColumns);
#pragma GCC unroll 12
    for (int r = 0; r < kTileRows; ++r) {
      const UnitVec x =
          hn::Set(units_tag, a[r / kPackRows * units * kPackRows + u * kPackRows + r % kPackRows]);
      acc0[r] = Dot::Add(acc0[r], x, w0);
      acc1[r] = Dot::Add(acc1[r], x, w1);
    }
  };
  int64_t u = first_unit;
  for (; u + kUnroll <= units; u += kUnroll) {
#pragma GCC unroll 8
    for (int i = 0; i < kUnroll; ++i) step(i);
    a += kUnroll * kPackRows;
    b += kUnroll * kPanelColumns;
  }
  for (; u < units; ++u) {
    step(0);
    a += kPackRows;
    b += kPanelColumns;
  }
#pragma GCC unroll 12
  for (int r = 0; r < kTileRows; ++r) {
    epilogue(acc0[r], acc1[r], row + r, column,
             Output{product.y + (row + r) * product.y_stride + column});
  }
}

template <class Dot, class Epilogue>
HWY_INLINE void MultiplyAs(const Product& product, const Epilogue& epilogue, bool triangle) {
  const int64_t step = 2 * hn::Lanes(Tag());
  // Columns outside: a panel of weights stays in the first-level cache while the rows pass by.
  for (int64_t column = 0; column < product.weights->padded_outputs(); column += step) {
    const int64_t first =
        triangle ? std::min<int64_t>(column / Dot::kInputs, product.weights->units()) : 0;
    for (int64_t row = 0; row < product.rows; row += kTileRows) {
      Tile<Dot>(product, row, column, epilogue, first);
    }
  }
}

template <class Epilogue>
HWY_INLINE void Multiply(const Product& product, const Epilogue& epilogue, bool triangle = false) {
  if (product.weights->number() == Number::kFloat32) {
    MultiplyAs<DotFloat32>(product, epilogue, triangle);
    return;
  }
#if HWY_TARGET == HWY_AVX3
  if (product.native) {
    MultiplyAs<DotNativeBFloat16>(product, epilogue, triangle);
    return;
  }
#endif
  MultiplyAs<DotBFloat16>(product, epilogue, triangle);
}

// What to do where the factors are packed for AMX.
#if HWY_TARGET == HWY_AVX3
#define HIIF_IF_AMX(call)                 \
  if (ByAmx(product.weights->number())) { \
    call;                                 \
    return;                               \
  }
#else
#define HIIF_IF_AMX(call)
#endif

void MultiplyBias(const Product& product, const float* bias, RowStatistics statistics) {
  HIIF_IF_AMX(AmxMultiplyBias(product, bias, statistics))
  Multiply(product, Bias<RowSums>{bias, RowSums(statistics.sum), RowSums(statistics.sum_squares)});
}

void MultiplyGelu(const Product& product, const float* bias) {
  HIIF_IF_AMX(AmxMultiplyGelu(product, bias))
  Multiply(product, BiasGelu<ExactGelu>{bias});
}

void MultiplyAdd(const Product& product, const float* bias, RowStatistics statistics) {
  HIIF_IF_AMX(AmxMultiplyAdd(product, bias, statistics))
  Multiply(product,
           BiasResidual<RowSums>{bias, RowSums(statistics.sum), RowSums(statistics.sum_squares)});
}

void MultiplyNormGelu(const Product& product, const FoldedNorm& norm) {
  HIIF_IF_AMX(AmxMultiplyNormGelu(product, norm))
  Multiply(product, NormGelu<ExactGelu, RowSums>{norm, RowSums(norm.sum)});
}

void TriangleSquares(const Product& product, const float* bias, float* sum_squares) {
  HIIF_IF_AMX(AmxTriangleSquares(product, bias, sum_squares))
  Multiply(product, Squares<RowSums>{bias, RowSums(sum_squares)}, /*triangle=*/true);
}
#undef HIIF_IF_AMX

// One row of GatherNormGelu(), two vectors at a time.
template <class Gelu, class Out>
HWY_INLINE void GatherRow(const Gather& g, int columns, const float* column_sum, const float* bias,
                          const Out& out_at) {
  const Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const Vec w0 = hn::Set(d, g.weight[0]);
  const Vec w1 = hn::Set(d, g.weight[1]);
  const Vec w2 = hn::Set(d, g.weight[2]);
  const Vec w3 = hn::Set(d, g.weight[3]);
  const Vec mean = hn::Set(d, g.mean);
  const Vec scale = hn::Set(d, g.scale);
  const auto at = [&](int64_t c) HWY_ATTR {
    Vec sum = hn::LoadU(d, g.extra + c);
    sum = hn::MulAdd(w0, hn::LoadU(d, g.table[0] + c), sum);
    sum = hn::MulAdd(w1, hn::LoadU(d, g.table[1] + c), sum);
    sum = hn::MulAdd(w2, hn::LoadU(d, g.table[2] + c), sum);
    sum = hn::MulAdd(w3, hn::LoadU(d, g.table[3] + c), sum);
    sum = hn::NegMulAdd(mean, hn::LoadU(d, column_sum + c), sum);
    return Gelu::Of(hn::MulAdd(scale, sum, hn::LoadU(d, bias + c)));
  };
  for (int64_t c = 0; c < columns; c += 2 * lanes) out_at(c).Store(at(c), at(c + lanes));
}

void GatherNormGelu(absl::Span<const Gather> rows, int columns, const float* column_sum,
                    const float* bias, [[maybe_unused]] Number number, float* y,
                    [[maybe_unused]] uint32_t* packed_y) {
#if HWY_TARGET == HWY_AVX3
  if (ByAmx(number)) {
    WithAmxNumber(number, [&](auto of) HWY_ATTR {
      using Of = decltype(of);
      for (const Gather& g : rows) {
        GatherRow<typename Of::Gelu>(g, columns, column_sum, bias, [&](int64_t c) HWY_ATTR {
          return PackingOutput<Of>{nullptr, packed_y + c / 2, columns / 2};
        });
        packed_y += Units(number, columns);
      }
    });
    return;
  }
#endif
  for (const Gather& g : rows) {
    GatherRow<ExactGelu>(g, columns, column_sum, bias,
                         [&](int64_t c) HWY_ATTR { return Output{y + c}; });
    y += columns;
  }
}

void MultiplyRgb(int64_t rows, const float* x, int64_t x_stride, int columns, const float* weights,
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

const char* InstructionSet() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace hiif::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hiif::kernels {

HWY_EXPORT(PackRows);
HWY_EXPORT(MultiplyBias);
HWY_EXPORT(MultiplyGelu);
HWY_EXPORT(MultiplyAdd);
HWY_EXPORT(MultiplyNormGelu);
HWY_EXPORT(TriangleSquares);
HWY_EXPORT(GatherNormGelu);
HWY_EXPORT(MultiplyRgb);
HWY_EXPORT(InstructionSet);

namespace {

// Leaf 7 of CPUID.
struct Leaf7 {
  Leaf7() {
    uint32_t unused;
    __get_cpuid_count(7, 0, &unused, &unused, &unused, &edx);
    __get_cpuid_count(7, 1, &eax1, &unused, &unused, &unused);
  }
  bool avx512_bf16() const { return eax1 >> 5 & 1; }
  bool amx_bf16() const { return (edx >> 22 & 1) != 0 && (edx >> 24 & 1) != 0; }
  uint32_t edx = 0;   // of sub-leaf 0
  uint32_t eax1 = 0;  // of sub-leaf 1
};

// Tile registers are 8 KiB that Linux saves for a process only after it asked.
bool AllowAmx() {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h, Linux 5.16
  constexpr int kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// The instructions against what they are to do, once: this code is older than most processors it
// will meet.
bool MultipliesRightly(Number number, bool native_instruction) {
  constexpr int kInputs = 70;
  constexpr int kOutputs = 2 * kPanelColumns;
  std::vector<float> w, x;
  for (int i = 0; i < kOutputs * kInputs; ++i) w.push_back(static_cast<float>(i % 37 - 18) / 7.0f);
  for (int i = 0; i < kRowGroup * kInputs; ++i) x.push_back(static_cast<float>(i % 29 - 14) / 9.0f);
  const std::vector<float> zero(kOutputs, 0.0f);
  const auto multiply = [&](Number with, bool by_instruction) {
    const PackedMatrix weights(w, kOutputs, kInputs, kInputs, with);
    AlignedVector<uint32_t> packed(PackedRows(with, kRowGroup) * weights.units());
    PackRows(x.data(), kInputs, kRowGroup, kInputs, with, packed.data());
    std::vector<float> y(kRowGroup * kOutputs);
    HWY_DYNAMIC_DISPATCH(MultiplyBias)
    ({&weights, kRowGroup, packed.data(), y.data(), kOutputs, nullptr, by_instruction}, zero.data(),
     {});
    return y;
  };
  const std::vector<float> plain =
      multiply(number == Number::kAmxFloat32 ? Number::kFloat32 : Number::kBFloat16, false);
  const std::vector<float> native = multiply(number, native_instruction);
  for (size_t i = 0; i < plain.size(); ++i) {
    if (!(std::abs(native[i] - plain[i]) <= 1e-3f)) return false;
  }
  return true;
}

bool CheckNativeBFloat16() {
  return Leaf7().avx512_bf16() && (hwy::SupportedTargets() & HWY_AVX3) != 0 &&
         MultipliesRightly(Number::kBFloat16, true);
}

bool CheckAmx() {
  const Leaf7 leaf;
  return leaf.avx512_bf16() && leaf.amx_bf16() && (hwy::SupportedTargets() & HWY_AVX3) != 0 &&
         AllowAmx() && MultipliesRightly(Number::kAmxBFloat16, false) &&
         MultipliesRightly(Number::kAmxFloat32, false);
}

}  // namespace

bool HasNativeBFloat16() {
  static const bool kNative = CheckNativeBFloat16();
  return kNative;
}

bool HasAmx() {
  static const bool kAmx = CheckAmx();
  return kAmx;
}

bool HasFastBFloat16() { return HasAmx() || (HasNativeBFloat16() && __builtin_cpu_is("amd")); }

PackedMatrix::PackedMatrix(absl::Span<const float> weights, int outputs, int inputs, int64_t stride,
                           Number number)
    : outputs_(outputs),
      inputs_(inputs),
      panels_((outputs + 2 * kPanelColumns - 1) / (2 * kPanelColumns) * 2),
      number_(number) {
  data_.assign(static_cast<size_t>(panels_) * units() * kPanelColumns, 0);
  for (int o = 0; o < outputs; ++o) {
    uint32_t* column =
        data_.data() + o / kPanelColumns * units() * kPanelColumns + o % kPanelColumns;
    for (int64_t u = 0; u < units(); ++u) {
      column[u * kPanelColumns] = MakeUnit(number, weights.data() + o * stride, u, inputs);
    }
  }
}

void PackRows(const float* values, int64_t stride, int64_t rows, int64_t inputs, Number number,
              uint32_t* packed) {
  HWY_DYNAMIC_DISPATCH(PackRows)(values, stride, rows, inputs, number, packed);
}
void MultiplyBias(const Product& product, const float* bias, RowStatistics statistics) {
  HWY_DYNAMIC_DISPATCH(MultiplyBias)(product, bias, statistics);
}
void MultiplyGelu(const Product& product, const float* bias) {
  HWY_DYNAMIC_DISPATCH(MultiplyGelu)(product, bias);
}
void MultiplyAdd(const Product& product, const float* bias, RowStatistics statistics) {
  HWY_DYNAMIC_DISPATCH(MultiplyAdd)(product, bias, statistics);
}
void MultiplyNormGelu(const Product& product, const FoldedNorm& norm) {
  HWY_DYNAMIC_DISPATCH(MultiplyNormGelu)(product, norm);
}
void TriangleSquares(const Product& product, const float* bias, float* sum_squares) {
  HWY_DYNAMIC_DISPATCH(TriangleSquares)(product, bias, sum_squares);
}
void GatherNormGelu(absl::Span<const Gather> rows, int columns, const float* column_sum,
                    const float* bias, Number number, float* y, uint32_t* packed_y) {
  HWY_DYNAMIC_DISPATCH(GatherNormGelu)(rows, columns, column_sum, bias, number, y, packed_y);
}
void MultiplyRgb(int64_t rows, const float* x, int64_t x_stride, int columns, const float* weights,
                 const float* bias, float* out) {
  HWY_DYNAMIC_DISPATCH(MultiplyRgb)(rows, x, x_stride, columns, weights, bias, out);
}
const char* InstructionSet() { return HWY_DYNAMIC_DISPATCH(InstructionSet)(); }

}  // namespace hiif::kernels
#endif  // HWY_ONCE
