#include "model/kernels/gemm.h"

#include <algorithm>
#include <bit>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/gemm.cc"
#include "hwy/foreach_target.h"  // compiles this file once per instruction set
// The order matters.
#include "hwy/highway.h"

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
  const uint32_t second = 2 * u + 1 < inputs ? RoundToBFloat16(row[2 * u + 1]) : 0;
  return RoundToBFloat16(row[2 * u]) | second << 16;
}

}  // namespace hiif::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace hiif::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<float, 16>;
using Vec = hn::Vec<Tag>;

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

// gelu(v) = v * (1/2 + erf(v / sqrt 2) / 2). The odd function in brackets is a minimax polynomial
// on
// [-5.2, 5.2] in 2 (v / 5.2)^2 - 1, constant beyond: 1.5e-6 from the exact value, rounding
// included.
HWY_INLINE Vec Gelu(Vec v) {
  const Tag d;
  const Vec limit = hn::Set(d, 5.2f);
  const Vec x = hn::Max(hn::Min(v, limit), hn::Neg(limit));
  const Vec u = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 2.0f / (5.2f * 5.2f)), hn::Set(d, -1.0f));
  Vec p = hn::Set(d, 8.884112323e-04f);
  p = hn::MulAdd(p, u, hn::Set(d, -2.537892286e-03f));
  p = hn::MulAdd(p, u, hn::Set(d, 2.792569326e-03f));
  p = hn::MulAdd(p, u, hn::Set(d, -3.431242670e-03f));
  p = hn::MulAdd(p, u, hn::Set(d, 7.600628045e-03f));
  p = hn::MulAdd(p, u, hn::Set(d, -1.316094879e-02f));
  p = hn::MulAdd(p, u, hn::Set(d, 1.837568873e-02f));
  p = hn::MulAdd(p, u, hn::Set(d, -2.457447779e-02f));
  p = hn::MulAdd(p, u, hn::Set(d, 3.190803442e-02f));
  p = hn::MulAdd(p, u, hn::Set(d, -3.994374717e-02f));
  p = hn::MulAdd(p, u, hn::Set(d, 5.003021882e-02f));
  p = hn::MulAdd(p, u, hn::Set(d, -6.774331787e-02f));
  p = hn::MulAdd(p, u, hn::Set(d, 1.359499307e-01f));
  return hn::Mul(v, hn::MulAdd(x, p, hn::Set(d, 0.5f)));
}

// Adds to a sum of one row.
HWY_INLINE void AddTo(float& sum, Vec values) { sum += hn::GetLane(hn::SumOfLanes(Tag(), values)); }

// Sum and sum of squares of what was computed of a row.
HWY_INLINE void AddStatistics(const RowStatistics& statistics, int64_t row, Vec v0, Vec v1) {
  if (statistics.sum == nullptr) return;
  AddTo(statistics.sum[row], hn::Add(v0, v1));
  AddTo(statistics.sum_squares[row], hn::MulAdd(v0, v0, hn::Mul(v1, v1)));
}

// Two vectors of a row of the result, `lanes` apart.
struct Output {
  float* HWY_RESTRICT y;
  HWY_INLINE Vec Load(int64_t i) const { return hn::LoadU(Tag(), y + i * hn::Lanes(Tag())); }
  HWY_INLINE void Store(Vec v0, Vec v1) const {
    hn::StoreU(v0, Tag(), y);
    hn::StoreU(v1, Tag(), y + hn::Lanes(Tag()));
  }
};

// What becomes of the sums of row `row` at columns [column, column + 2 lanes).
struct Bias {
  const float* bias;
  RowStatistics statistics;
  HWY_INLINE Vec At(Vec acc, int64_t column) const {
    return hn::Add(acc, hn::LoadU(Tag(), bias + column));
  }
  HWY_INLINE void operator()(Vec acc0, Vec acc1, int64_t row, int64_t column, Output out) const {
    const Vec v0 = At(acc0, column);
    const Vec v1 = At(acc1, column + hn::Lanes(Tag()));
    out.Store(v0, v1);
    AddStatistics(statistics, row, v0, v1);
  }
};

struct BiasGelu {
  const float* bias;
  HWY_INLINE void operator()(Vec acc0, Vec acc1, int64_t, int64_t column, Output out) const {
    const Bias with{bias, {}};
    out.Store(Gelu(with.At(acc0, column)), Gelu(with.At(acc1, column + hn::Lanes(Tag()))));
  }
};

struct BiasResidual {
  const float* bias;
  RowStatistics statistics;
  HWY_INLINE void operator()(Vec acc0, Vec acc1, int64_t row, int64_t column, Output out) const {
    const Bias with{bias, {}};
    const Vec v0 = hn::Add(with.At(acc0, column), out.Load(0));
    const Vec v1 = hn::Add(with.At(acc1, column + hn::Lanes(Tag())), out.Load(1));
    out.Store(v0, v1);
    AddStatistics(statistics, row, v0, v1);
  }
};

struct NormGelu {
  FoldedNorm norm;
  HWY_INLINE Vec At(Vec acc, int64_t row, int64_t column) const {
    const Tag d;
    const Vec with_extra = hn::Add(acc, hn::LoadU(d, norm.extra[row] + column));
    const Vec centred = hn::NegMulAdd(hn::Set(d, norm.mean[row]),
                                      hn::LoadU(d, norm.column_sum + column), with_extra);
    return Gelu(hn::MulAdd(hn::Set(d, norm.scale[row]), centred, hn::LoadU(d, norm.bias + column)));
  }
  HWY_INLINE void operator()(Vec acc0, Vec acc1, int64_t row, int64_t column, Output out) const {
    const Tag d;
    const Vec v0 = At(acc0, row, column);
    const Vec v1 = At(acc1, row, column + hn::Lanes(d));
    out.Store(v0, v1);
    if (norm.sum == nullptr) return;
    AddTo(norm.sum[row],
          hn::MulAdd(v0, hn::LoadU(d, norm.sum_weights + column),
                     hn::Mul(v1, hn::LoadU(d, norm.sum_weights + column + hn::Lanes(d)))));
  }
};

// Keeps the sum of squares alone.
struct Squares {
  const float* bias;
  float* sum_squares;
  HWY_INLINE void operator()(Vec acc0, Vec acc1, int64_t row, int64_t column, Output) const {
    const Bias with{bias, {}};
    const Vec v0 = with.At(acc0, column);
    const Vec v1 = with.At(acc1, column + hn::Lanes(Tag()));
    AddTo(sum_squares[row], hn::MulAdd(v0, v0, hn::Mul(v1, v1)));
  }
};

using UnitTag = hn::Repartition<uint32_t, Tag>;
using UnitVec = hn::Vec<UnitTag>;

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

void MultiplyBias(const Product& product, const float* bias, RowStatistics statistics) {
  Multiply(product, Bias{bias, statistics});
}

void MultiplyGelu(const Product& product, const float* bias) { Multiply(product, BiasGelu{bias}); }

void MultiplyAdd(const Product& product, const float* bias, RowStatistics statistics) {
  Multiply(product, BiasResidual{bias, statistics});
}

void MultiplyNormGelu(const Product& product, const FoldedNorm& norm) {
  Multiply(product, NormGelu{norm});
}

void TriangleSquares(const Product& product, const float* bias, float* sum_squares) {
  Multiply(product, Squares{bias, sum_squares}, /*triangle=*/true);
}

void GatherNormGelu(absl::Span<const Gather> rows, int columns, const float* column_sum,
                    const float* bias, float* y, int64_t y_stride) {
  const Tag d;
  const int64_t lanes = hn::Lanes(d);
  for (const Gather& g : rows) {
    const Vec w0 = hn::Set(d, g.weight[0]);
    const Vec w1 = hn::Set(d, g.weight[1]);
    const Vec w2 = hn::Set(d, g.weight[2]);
    const Vec w3 = hn::Set(d, g.weight[3]);
    const Vec mean = hn::Set(d, g.mean);
    const Vec scale = hn::Set(d, g.scale);
    for (int64_t c = 0; c < columns; c += lanes) {
      Vec sum = hn::LoadU(d, g.extra + c);
      sum = hn::MulAdd(w0, hn::LoadU(d, g.table[0] + c), sum);
      sum = hn::MulAdd(w1, hn::LoadU(d, g.table[1] + c), sum);
      sum = hn::MulAdd(w2, hn::LoadU(d, g.table[2] + c), sum);
      sum = hn::MulAdd(w3, hn::LoadU(d, g.table[3] + c), sum);
      sum = hn::NegMulAdd(mean, hn::LoadU(d, column_sum + c), sum);
      hn::StoreU(Gelu(hn::MulAdd(scale, sum, hn::LoadU(d, bias + c))), d, y + c);
    }
    y += y_stride;
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

// The instruction against what it is to do, once: this code is older than most processors it will
// meet.
bool CheckNativeBFloat16() {
  if (!__builtin_cpu_supports("avx512bf16") || !(hwy::SupportedTargets() & HWY_AVX3)) return false;
  constexpr int kInputs = 70;
  constexpr int kOutputs = 2 * kPanelColumns;
  std::vector<float> w, x;
  for (int i = 0; i < kOutputs * kInputs; ++i) w.push_back(static_cast<float>(i % 37 - 18) / 7.0f);
  for (int i = 0; i < kRowGroup * kInputs; ++i) x.push_back(static_cast<float>(i % 29 - 14) / 9.0f);
  const PackedMatrix weights(w, kOutputs, kInputs, kInputs, Number::kBFloat16);
  AlignedVector<uint32_t> packed(kRowGroup * weights.units());
  PackRows(x.data(), kInputs, kRowGroup, kInputs, Number::kBFloat16, packed.data());
  const std::vector<float> zero(kOutputs, 0.0f);
  std::vector<float> native(kRowGroup * kOutputs), plain(kRowGroup * kOutputs);
  Product product{&weights, kRowGroup, packed.data(), native.data(), kOutputs, /*native=*/true};
  HWY_DYNAMIC_DISPATCH(MultiplyBias)(product, zero.data(), {});
  product.y = plain.data();
  product.native = false;
  HWY_DYNAMIC_DISPATCH(MultiplyBias)(product, zero.data(), {});
  for (size_t i = 0; i < plain.size(); ++i) {
    if (!(std::abs(native[i] - plain[i]) <= 1e-3f)) return false;
  }
  return true;
}

}  // namespace

bool HasNativeBFloat16() {
  static const bool kNative = CheckNativeBFloat16();
  return kNative;
}

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
                    const float* bias, float* y, int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(GatherNormGelu)(rows, columns, column_sum, bias, y, y_stride);
}
void MultiplyRgb(int64_t rows, const float* x, int64_t x_stride, int columns, const float* weights,
                 const float* bias, float* out) {
  HWY_DYNAMIC_DISPATCH(MultiplyRgb)(rows, x, x_stride, columns, weights, bias, out);
}
const char* InstructionSet() { return HWY_DYNAMIC_DISPATCH(InstructionSet)(); }

}  // namespace hiif::kernels
#endif  // HWY_ONCE
