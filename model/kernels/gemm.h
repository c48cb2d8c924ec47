// Products of a block of rows with a packed weight matrix, each with what follows it in the HIIF
// decoder (model.md 2.3) done while the results are in registers. Highway picks the widest
// instructions at run time.
//
// Every row is computed by the same instructions in the same order wherever it stands in its block,
// so results do not depend, to the last bit, on how pixels are grouped.
#ifndef MODEL_KERNELS_GEMM_H_
#define MODEL_KERNELS_GEMM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "model/simd/aligned.h"

namespace hiif::kernels {

// Rows of a block are padded to a multiple of this.
inline constexpr int kRowGroup = 12;
// Columns are padded to a multiple of twice this.
inline constexpr int kPanelColumns = 16;

constexpr int64_t PadRows(int64_t rows) { return (rows + kRowGroup - 1) / kRowGroup * kRowGroup; }

// What the factors of a product are rounded to; sums are float32 always. kSplit writes a factor as
// the sum of two bfloat16, which have 16 bits of its 24, and takes three products of them: 1e-5 of
// a product is lost.
enum class Arithmetic { kFloat32, kBFloat16, kSplit };

// How factors lie. They are stored in units of 32 bits: a float32, or two bfloat16 of consecutive
// inputs, the first in the lower half.
enum class Layout {
  kPanels,  // the inputs of a row group in turn, for vectors
  kTiles,   // rows one behind the other, 16 units at a time, for AMX
};

// Both, as they go together.
struct Number {
  Arithmetic arithmetic = Arithmetic::kFloat32;
  Layout layout = Layout::kPanels;
  bool operator==(const Number&) const = default;

  static const Number kFloat32;
  static const Number kBFloat16;
  static const Number kAmxBFloat16;  // only where HasAmx(), as the next
  static const Number kAmxFloat32;
};
inline constexpr Number Number::kFloat32 = {Arithmetic::kFloat32, Layout::kPanels};
inline constexpr Number Number::kBFloat16 = {Arithmetic::kBFloat16, Layout::kPanels};
inline constexpr Number Number::kAmxBFloat16 = {Arithmetic::kBFloat16, Layout::kTiles};
inline constexpr Number Number::kAmxFloat32 = {Arithmetic::kSplit, Layout::kTiles};

// Units of a row. AMX takes 16 at a time; of kSplit the rounded values come first, then as many
// units of what rounding left.
constexpr int64_t Units(Number number, int64_t inputs) {
  if (number.arithmetic == Arithmetic::kFloat32) return inputs;
  const int64_t units =
      number.layout == Layout::kTiles ? (inputs + 31) / 32 * 16 : (inputs + 1) / 2;
  return number.arithmetic == Arithmetic::kSplit ? 2 * units : units;
}

// Rows that packed inputs must have room for: AMX reads 32 at a time.
inline constexpr int kAmxRows = 32;
constexpr int64_t PackedRows(Number number, int64_t rows) {
  return number.layout == Layout::kTiles ? (rows + kAmxRows - 1) / kAmxRows * kAmxRows : rows;
}

// Whether the active instruction set (isa.h) multiplies bfloat16 (AVX512_BF16) and does it as we
// think. Without it kBFloat16 is computed by float32 products of the rounded factors: for tests,
// not for speed.
bool HasNativeBFloat16();
// Whether it has AMX, and it does as we think.
bool HasAmx();

// What a model is computed with where bfloat16 is asked for, where it is not, and where that is
// left open: then it is the faster.
Number BFloat16Number();
Number Float32Number();
Number FastestNumber();
// Of numbers and the active instruction set, such as "avx2-float32" or "amx-float32x2": results
// with one name have the same bits.
std::string NumberName(Number number);

// Weights of y = x W^T, W of shape (outputs, inputs), packed in panels of kPanelColumns outputs:
// panel[unit][output]. Outputs beyond the last are zero.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  // `weights` is row-major with `stride` values between the rows of W, starting at its first used
  // column.
  PackedMatrix(absl::Span<const float> weights, int outputs, int inputs, int64_t stride,
               Number number = Number::kFloat32);

  int outputs() const { return outputs_; }
  int padded_outputs() const { return panels_ * kPanelColumns; }
  int inputs() const { return inputs_; }
  Number number() const { return number_; }
  int64_t units() const { return Units(number_, inputs_); }
  const uint32_t* panel(int64_t p) const { return data_.data() + p * units() * kPanelColumns; }
  int64_t bytes() const { return static_cast<int64_t>(data_.size() * sizeof(uint32_t)); }

 private:
  int outputs_ = 0;
  int inputs_ = 0;
  int panels_ = 0;
  Number number_ = Number::kFloat32;
  AlignedVector<uint32_t> data_;
};

// Reorders `rows` (a multiple of kRowGroup) rows of `inputs` values, `stride` apart, so that a
// product reads them as one stream. `packed` has room for PackedRows(number, rows) *
// Units(number, inputs).
void PackRows(const float* values, int64_t stride, int64_t rows, int64_t inputs, Number number,
              uint32_t* packed);

// x: `rows` (a multiple of kRowGroup) rows of weights.inputs() values that PackRows() packed. y:
// rows of weights.padded_outputs() values, `y_stride` apart. Vectors per output are
// padded_outputs() long.
struct Product {
  const PackedMatrix* weights = nullptr;
  int64_t rows = 0;
  const uint32_t* packed = nullptr;  // in the weights' number
  float* y = nullptr;
  int64_t y_stride = 0;
  // By AMX: the rows of the result packed as inputs of the next product, or null. Then y may be
  // null where the next product is all that reads it. Not the memory of `packed`.
  uint32_t* packed_y = nullptr;
  // For kBFloat16: by the processor's instruction, or by float32.
  bool native = HasNativeBFloat16();
};

// Sum and sum of squares over the outputs of each row; added to, so the caller clears them.
struct RowStatistics {
  float* sum = nullptr;
  float* sum_squares = nullptr;
};

// LayerNorm folded into the product that follows it:
// y = gelu(scale[row] * (x W^T + extra[row] - mean[row] * column_sum) + bias)
struct FoldedNorm {
  const float* scale = nullptr;         // per row: 1 / sqrt(variance + eps)
  const float* mean = nullptr;          // per row
  const float* const* extra = nullptr;  // per row: contribution of inputs beyond x, per output
  const float* column_sum = nullptr;    // per output: sum over all inputs of W
  const float* bias = nullptr;          // per output
  // Where `sum` is not null: adds sum over the outputs of y * sum_weights to it, per row.
  const float* sum_weights = nullptr;  // per output
  float* sum = nullptr;                // per row
};

// y = x W^T + bias. `statistics` may be empty.
void MultiplyBias(const Product& product, const float* bias, RowStatistics statistics);
// y = gelu(x W^T + bias)
void MultiplyGelu(const Product& product, const float* bias);
// y = y + x W^T + bias. `statistics` may be empty.
void MultiplyAdd(const Product& product, const float* bias, RowStatistics statistics);
// See FoldedNorm.
void MultiplyNormGelu(const Product& product, const FoldedNorm& norm);

// Adds |x R^T + bias|^2 to sum_squares, per row, for an R that is zero below its diagonal. Nothing
// else is kept: product.y may be null.
void TriangleSquares(const Product& product, const float* bias, float* sum_squares);

// y[c] = gelu(scale * (sum over 4 neighbours of weight[k] * table[k][c] + extra[c] - mean *
// column_sum[c])
//        + bias[c]) for c < columns (a multiple of 2 * kPanelColumns): level 0, whose product was
// done per low-resolution pixel. Rows of `columns` values in y; or, by AMX, packed_y.
struct Gather {
  const float* table[4];
  float weight[4];
  float scale;
  float mean;
  const float* extra;
};
void GatherNormGelu(absl::Span<const Gather> rows, int columns, const float* column_sum,
                    const float* bias, Number number, float* y, uint32_t* packed_y);

// out[row][o] = bias[o] + sum over c < columns of x[row][c] * weights[o][c], for three outputs.
void MultiplyRgb(int64_t rows, const float* x, int64_t x_stride, int columns, const float* weights,
                 const float* bias, float* out);

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_GEMM_H_
