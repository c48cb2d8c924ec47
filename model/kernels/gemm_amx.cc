#include "model/kernels/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/gemm_amx.cc"
#include "hwy/foreach_target.h"  // compiles this file once per instruction set
// The order matters.
#include "hwy/highway.h"
#include "model/kernels/amx-inl.h"
#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hiif::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3
void AmxMultiplyBias(const Product& product, const float* bias, RowStatistics statistics) {
  AmxLaneSums sum, squares;
  const Bias<LaneSums> epilogue = {bias, sum.For(statistics.sum),
                                   squares.For(statistics.sum_squares)};
  WithAmxNumber(product.weights->number(),
                [&](auto of) HWY_ATTR { MultiplyAmx(of, product, epilogue); });
}
void AmxMultiplyGelu(const Product& product, const float* bias) {
  WithAmxNumber(product.weights->number(), [&](auto of) HWY_ATTR {
    MultiplyAmx(of, product, BiasGelu<typename decltype(of)::Gelu>{bias});
  });
}
void AmxMultiplyAdd(const Product& product, const float* bias, RowStatistics statistics) {
  AmxLaneSums sum, squares;
  const BiasResidual<LaneSums> epilogue = {bias, sum.For(statistics.sum),
                                           squares.For(statistics.sum_squares)};
  WithAmxNumber(product.weights->number(),
                [&](auto of) HWY_ATTR { MultiplyAmx(of, product, epilogue); });
}
void AmxMultiplyNormGelu(const Product& product, const FoldedNorm& norm) {
  AmxLaneSums sum;
  const LaneSums sums = sum.For(norm.sum);
  WithAmxNumber(product.weights->number(), [&](auto of) HWY_ATTR {
    MultiplyAmx(of, product, NormGelu<typename decltype(of)::Gelu, LaneSums>{norm, sums});
  });
}
void AmxTriangleSquares(const Product& product, const float* bias, float* sum_squares) {
  AmxLaneSums squares;
  const Squares<LaneSums> epilogue = {bias, squares.For(sum_squares)};
  WithAmxNumber(product.weights->number(),
                [&](auto of) HWY_ATTR { MultiplyAmx(of, product, epilogue, /*triangle=*/true); });
}

void AmxGatherNormGelu(absl::Span<const Gather> rows, int columns, const float* column_sum,
                       const float* bias, Number number, float*, uint32_t* packed_y) {
  WithAmxNumber(number, [&](auto of) HWY_ATTR {
    using Of = decltype(of);
    for (const Gather& g : rows) {
      GatherRow<typename Of::Gelu>(g, columns, column_sum, bias, [&](int64_t c) HWY_ATTR {
        return PackingOutput<Of>{nullptr, packed_y + c / 2, columns / 2};
      });
      packed_y += Units(number, columns);
    }
  });
}

const Kernels* AmxTable() {
  static constexpr Kernels kTable = {PackRowsAmx,      AmxMultiplyBias,     AmxMultiplyGelu,
                                     AmxMultiplyAdd,   AmxMultiplyNormGelu, AmxTriangleSquares,
                                     AmxGatherNormGelu};
  return &kTable;
}
#else
const Kernels* AmxTable() { return nullptr; }
#endif

}  // namespace HWY_NAMESPACE
}  // namespace hiif::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hiif::kernels {

HWY_EXPORT(AmxTable);

const Kernels& AmxKernels() { return *HWY_DYNAMIC_DISPATCH(AmxTable)(); }

}  // namespace hiif::kernels
#endif  // HWY_ONCE
