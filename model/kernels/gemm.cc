#include "model/kernels/gemm.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/gemm.cc"
#include "hwy/foreach_target.h"  // compiles this file once per instruction set
// The order matters.
#include "hwy/highway.h"

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

#if HWY_TARGET != HWY_SCALAR
// Pairs of two rows' values, in order: a0 b0 a1 b1 ..., in two vectors.
using PackTag = hn::CappedTag<float, 8>;
using PairTag = hn::Repartition<uint64_t, PackTag>;
struct Pairs {
  hn::Vec<PairTag> first, second;
};
HWY_INLINE Pairs Zip(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b) {
  const PackTag d;
  const auto lower = hn::InterleaveLower(d, hn::LoadU(d, a), hn::LoadU(d, b));  // per 128 bits
  const auto upper = hn::InterleaveUpper(d, hn::LoadU(d, a), hn::LoadU(d, b));
  return {hn::BitCast(PairTag(), hn::ConcatLowerLower(d, upper, lower)),
          hn::BitCast(PairTag(), hn::ConcatUpperUpper(d, upper, lower))};
}

#endif

void PackRows(const float* values, int64_t stride, int64_t rows, int64_t inputs, float* packed) {
  for (int64_t row = 0; row < rows; row += kPackRows) {
    const float* HWY_RESTRICT x = values + row * stride;
    float* HWY_RESTRICT out = packed + row * inputs;
    int64_t k = 0;
#if HWY_TARGET != HWY_SCALAR
    const PairTag pairs;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(PackTag()));
    for (; k + lanes <= inputs; k += lanes) {
      const Pairs p0 = Zip(x + k, x + stride + k);
      const Pairs p1 = Zip(x + 2 * stride + k, x + 3 * stride + k);
      const Pairs p2 = Zip(x + 4 * stride + k, x + 5 * stride + k);
      uint64_t* to = reinterpret_cast<uint64_t*>(out + k * kPackRows);
      hn::StoreInterleaved3(p0.first, p1.first, p2.first, pairs, to);
      hn::StoreInterleaved3(p0.second, p1.second, p2.second, pairs, to + 3 * lanes / 2);
    }
#endif
    for (; k < inputs; ++k) {
      for (int r = 0; r < kPackRows; ++r) out[k * kPackRows + r] = x[r * stride + k];
    }
  }
}

// One register tile: kTileRows rows, two vectors of columns.
template <class Epilogue>
HWY_INLINE void Tile(const Product& product, int64_t row, int64_t column, const Epilogue& epilogue,
                     int64_t first_input) {
  const Tag d;
  const int64_t inputs = product.weights->inputs();
  const float* HWY_RESTRICT a = product.packed + row * inputs + first_input * kPackRows;
  const float* HWY_RESTRICT b = product.weights->panel(column / kPanelColumns) +
                                first_input * kPanelColumns + column % kPanelColumns;
  // The second vector of columns is in the same panel, or in the next.
  const int64_t b_step = 2 * hn::MaxLanes(d) <= kPanelColumns
                             ? static_cast<int64_t>(hn::MaxLanes(d))
                             : inputs * kPanelColumns;

  Vec acc0[kTileRows];
  Vec acc1[kTileRows];
#pragma GCC unroll 12
  for (int r = 0; r < kTileRows; ++r) acc0[r] = acc1[r] = hn::Zero(d);
  // One input of every row. Unrolled: what is not a multiplication is half of what the loop does.
  const auto step = [&](int64_t k) HWY_ATTR {
    const Vec w0 = hn::LoadU(d, b + k * kPanelColumns);
    const Vec w1 = hn::LoadU(d, b + b_step + k * kPanelColumns);
#pragma GCC unroll 12
    for (int r = 0; r < kTileRows; ++r) {
      const Vec x =
          hn::Set(d, a[r / kPackRows * inputs * kPackRows + k * kPackRows + r % kPackRows]);
      acc0[r] = hn::MulAdd(x, w0, acc0[r]);
      acc1[r] = hn::MulAdd(x, w1, acc1[r]);
    }
  };
  int64_t k = first_input;
  for (; k + kUnroll <= inputs; k += kUnroll) {
#pragma GCC unroll 8
    for (int u = 0; u < kUnroll; ++u) step(u);
    a += kUnroll * kPackRows;
    b += kUnroll * kPanelColumns;
  }
  for (; k < inputs; ++k) {
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

template <class Epilogue>
HWY_INLINE void Multiply(const Product& product, const Epilogue& epilogue, bool triangle = false) {
  const int64_t step = 2 * hn::Lanes(Tag());
  // Columns outside: a panel of weights stays in the first-level cache while the rows pass by.
  for (int64_t column = 0; column < product.weights->padded_outputs(); column += step) {
    const int64_t first_input = triangle ? std::min<int64_t>(column, product.weights->inputs()) : 0;
    for (int64_t row = 0; row < product.rows; row += kTileRows) {
      Tile(product, row, column, epilogue, first_input);
    }
  }
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

PackedMatrix::PackedMatrix(absl::Span<const float> weights, int outputs, int inputs, int64_t stride)
    : outputs_(outputs),
      inputs_(inputs),
      panels_((outputs + 2 * kPanelColumns - 1) / (2 * kPanelColumns) * 2) {
  data_.assign(static_cast<size_t>(panels_) * inputs * kPanelColumns, 0.0f);
  for (int o = 0; o < outputs; ++o) {
    float* column = data_.data() +
                    static_cast<int64_t>(o / kPanelColumns) * inputs * kPanelColumns +
                    o % kPanelColumns;
    for (int i = 0; i < inputs; ++i) column[i * kPanelColumns] = weights[o * stride + i];
  }
}

void PackRows(const float* values, int64_t stride, int64_t rows, int64_t inputs, float* packed) {
  HWY_DYNAMIC_DISPATCH(PackRows)(values, stride, rows, inputs, packed);
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
