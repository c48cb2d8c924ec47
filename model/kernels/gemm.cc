#include "model/kernels/gemm.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "model/kernels/kernels.h"
#include "model/kernels/units.h"
#include "model/simd/isa.h"

namespace hiif::kernels {
namespace {

const Kernels& Of(Number number, bool native) {
  ActiveIsa();  // what the environment asks for, before the first dispatch
  if (number.layout == Layout::kTiles) return AmxKernels();
  if (number.arithmetic == Arithmetic::kFloat32) return Float32Kernels();
  return native ? NativeBFloat16Kernels() : BFloat16Kernels();
}
const Kernels& Of(const Product& product) { return Of(product.weights->number(), product.native); }

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
    MultiplyBias({&weights, kRowGroup, packed.data(), y.data(), kOutputs, nullptr, by_instruction},
                 zero.data(), {});
    return y;
  };
  const std::vector<float> plain = multiply(
      number.arithmetic == Arithmetic::kSplit ? Number::kFloat32 : Number::kBFloat16, false);
  const std::vector<float> native = multiply(number, native_instruction);
  for (size_t i = 0; i < plain.size(); ++i) {
    if (!(std::abs(native[i] - plain[i]) <= 1e-3f)) return false;
  }
  return true;
}

}  // namespace

bool HasNativeBFloat16() {
  if (ActiveIsa() < Isa::kAvx512Bf16) return false;
  static const bool kRight = MultipliesRightly(Number::kBFloat16, true);
  return kRight;
}

bool HasAmx() {
  if (ActiveIsa() < Isa::kAmx) return false;
  static const bool kRight = MultipliesRightly(Number::kAmxBFloat16, false) &&
                             MultipliesRightly(Number::kAmxFloat32, false);
  return kRight;
}

Number BFloat16Number() { return HasAmx() ? Number::kAmxBFloat16 : Number::kBFloat16; }
Number Float32Number() { return HasAmx() ? Number::kAmxFloat32 : Number::kFloat32; }
Number FastestNumber() {
  return HasAmx() || (HasNativeBFloat16() && HasFastPairs()) ? BFloat16Number() : Float32Number();
}

std::string NumberName(Number number) {
  if (number.layout == Layout::kTiles) {
    return number.arithmetic == Arithmetic::kSplit ? "amx-float32x2" : "amx-bfloat16";
  }
  const Isa vectors = ActiveVectors();
  if (number.arithmetic == Arithmetic::kFloat32) {
    return absl::StrCat(IsaName(vectors), "-float32");
  }
  return HasNativeBFloat16() ? absl::StrCat(IsaName(Isa::kAvx512Bf16), "-bfloat16")
                             : absl::StrCat(IsaName(vectors), "-bfloat16");
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
  Of(number, false).pack_rows(values, stride, rows, inputs, number, packed);
}
void MultiplyBias(const Product& product, const float* bias, RowStatistics statistics) {
  Of(product).multiply_bias(product, bias, statistics);
}
void MultiplyGelu(const Product& product, const float* bias) {
  Of(product).multiply_gelu(product, bias);
}
void MultiplyAdd(const Product& product, const float* bias, RowStatistics statistics) {
  Of(product).multiply_add(product, bias, statistics);
}
void MultiplyNormGelu(const Product& product, const FoldedNorm& norm) {
  Of(product).multiply_norm_gelu(product, norm);
}
void TriangleSquares(const Product& product, const float* bias, float* sum_squares) {
  Of(product).triangle_squares(product, bias, sum_squares);
}
void GatherNormGelu(absl::Span<const Gather> rows, int columns, const float* column_sum,
                    const float* bias, Number number, float* y, uint32_t* packed_y) {
  Of(number, false).gather_norm_gelu(rows, columns, column_sum, bias, number, y, packed_y);
}
void MultiplyRgb(int64_t rows, const float* x, int64_t x_stride, int columns, const float* weights,
                 const float* bias, float* out) {
  MultiplyRgbRows(rows, x, x_stride, columns, weights, bias, out);
}

}  // namespace hiif::kernels
