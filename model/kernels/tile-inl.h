// Products of factors in Layout::kPanels by tiles of vector registers, for the instruction set that
// is being compiled.
#if defined(MODEL_KERNELS_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MODEL_KERNELS_TILE_INL_H_
#undef MODEL_KERNELS_TILE_INL_H_
#else
#define MODEL_KERNELS_TILE_INL_H_
#endif

#include <algorithm>

#include "hwy/highway.h"
#include "model/kernels/epilogues-inl.h"
#include "model/kernels/gemm.h"
#include "model/kernels/kernels.h"
#include "model/kernels/pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hiif::kernels {
namespace HWY_NAMESPACE {

// Register tile: 6 x 2 vectors with 16 registers, 12 x 2 with 32.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
inline constexpr int kTileRows = 12;
#else
inline constexpr int kTileRows = 6;
#endif
inline constexpr int kUnroll = 8;
static_assert(kRowGroup % kTileRows == 0 && kTileRows % kPackRows == 0);

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
  // Some epilogues write nothing: no place then, and no step from it.
  const int64_t stride = product.y == nullptr ? 0 : product.y_stride;
  float* const y = product.y == nullptr ? nullptr : product.y + row * stride + column;
#pragma GCC unroll 12
  for (int r = 0; r < kTileRows; ++r) {
    epilogue(acc0[r], acc1[r], row + r, column, Output{y + r * stride});
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

// The functions of Kernels. `Dot` adds the product of two units to a sum: kInputs says how many
// inputs a unit has.
template <class Dot>
struct PanelKernels {
  static void Bias(const Product& product, const float* bias, RowStatistics statistics) {
    MultiplyAs<Dot>(product,
                    HWY_NAMESPACE::Bias<RowSums>{bias, RowSums(statistics.sum),
                                                 RowSums(statistics.sum_squares)},
                    /*triangle=*/false);
  }
  static void Gelu(const Product& product, const float* bias) {
    MultiplyAs<Dot>(product, BiasGelu<ExactGelu>{bias}, /*triangle=*/false);
  }
  static void Add(const Product& product, const float* bias, RowStatistics statistics) {
    MultiplyAs<Dot>(
        product,
        BiasResidual<RowSums>{bias, RowSums(statistics.sum), RowSums(statistics.sum_squares)},
        /*triangle=*/false);
  }
  static void NormGelu(const Product& product, const FoldedNorm& norm) {
    MultiplyAs<Dot>(product, HWY_NAMESPACE::NormGelu<ExactGelu, RowSums>{norm, RowSums(norm.sum)},
                    /*triangle=*/false);
  }
  static void Triangle(const Product& product, const float* bias, float* sum_squares) {
    MultiplyAs<Dot>(product, Squares<RowSums>{bias, RowSums(sum_squares)}, /*triangle=*/true);
  }
  static void Gather(absl::Span<const kernels::Gather> rows, int columns, const float* column_sum,
                     const float* bias, Number, float* y, uint32_t*) {
    for (const kernels::Gather& g : rows) {
      GatherRow<ExactGelu>(g, columns, column_sum, bias,
                           [&](int64_t c) HWY_ATTR { return Output{y + c}; });
      y += columns;
    }
  }
};

template <class Dot, class Loader>
const Kernels* PanelTable() {
  using Of = PanelKernels<Dot>;
  static constexpr Kernels kTable = {PackPanels<Loader>, Of::Bias,     Of::Gelu,  Of::Add,
                                     Of::NormGelu,       Of::Triangle, Of::Gather};
  return &kTable;
}

}  // namespace HWY_NAMESPACE
}  // namespace hiif::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard per target
