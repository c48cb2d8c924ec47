// Internal to model/kernels: the functions of gemm.h for one kind of factors, compiled for the
// instruction set in use.
#ifndef MODEL_KERNELS_KERNELS_H_
#define MODEL_KERNELS_KERNELS_H_

#include "model/kernels/gemm.h"

namespace hiif::kernels {

struct Kernels {
  void (*pack_rows)(const float* values, int64_t stride, int64_t rows, int64_t inputs,
                    Number number, uint32_t* packed);
  void (*multiply_bias)(const Product& product, const float* bias, RowStatistics statistics);
  void (*multiply_gelu)(const Product& product, const float* bias);
  void (*multiply_add)(const Product& product, const float* bias, RowStatistics statistics);
  void (*multiply_norm_gelu)(const Product& product, const FoldedNorm& norm);
  void (*triangle_squares)(const Product& product, const float* bias, float* sum_squares);
  void (*gather_norm_gelu)(absl::Span<const Gather> rows, int columns, const float* column_sum,
                           const float* bias, Number number, float* y, uint32_t* packed_y);
};

const Kernels& Float32Kernels();         // gemm_f32.cc
const Kernels& BFloat16Kernels();        // gemm_bf16.cc: by float32 products of the rounded factors
const Kernels& NativeBFloat16Kernels();  // by AVX512_BF16, which must be there
const Kernels& AmxKernels();             // gemm_amx.cc; AMX must be there

// out[row][o] of gemm.h, in gemm_f32.cc.
void MultiplyRgbRows(int64_t rows, const float* x, int64_t x_stride, int columns,
                     const float* weights, const float* bias, float* out);

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_KERNELS_H_
