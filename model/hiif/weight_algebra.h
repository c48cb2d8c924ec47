// Algebra on weights, done once when a model is loaded. Matrices are row-major; sums in double.
#ifndef MODEL_HIIF_WEIGHT_ALGEBRA_H_
#define MODEL_HIIF_WEIGHT_ALGEBRA_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace hiif::algebra {

// Adds `factor` times a column of `matrix`, `stride` values a row, to `out`, one value a row.
void AddColumn(absl::Span<const float> matrix, int64_t stride, int64_t column, float factor,
               std::vector<float>& out);
// Multiplies the columns of `matrix` by `factors`.
void ScaleColumns(std::vector<float>& matrix, absl::Span<const float> factors);
// The first `columns` of the `stride` columns of `matrix`.
std::vector<float> FirstColumns(absl::Span<const float> matrix, int64_t stride, int64_t columns);
// matrix (rows x vector.size()) times vector.
std::vector<float> Times(absl::Span<const float> matrix, absl::Span<const float> vector);
// vector times matrix (vector.size() x columns).
std::vector<float> LeftTimes(absl::Span<const float> vector, absl::Span<const float> matrix);
// a (rows x inner) times b (inner x columns).
std::vector<float> MatrixProduct(absl::Span<const float> a, absl::Span<const float> b,
                                 int64_t inner);
std::vector<float> Plus(std::vector<float> a, absl::Span<const float> b);

// An upper triangle R, a vector r and a number c with |W h + b|^2 = |R h + r|^2 + c for every h:
// the QR decomposition of [W b]. Half the multiplications of W h.
struct Triangle {
  std::vector<float> matrix;  // columns x columns, zero below the diagonal
  std::vector<float> bias;    // columns
  float rest = 0;             // not negative
};
Triangle Triangulate(absl::Span<const float> matrix, absl::Span<const float> bias);

}  // namespace hiif::algebra

#endif  // MODEL_HIIF_WEIGHT_ALGEBRA_H_
