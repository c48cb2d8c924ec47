#include "model/hiif/weight_algebra.h"

#include <cmath>

namespace hiif::algebra {

void AddColumn(absl::Span<const float> matrix, int64_t stride, int64_t column, float factor,
               std::vector<float>& out) {
  for (size_t r = 0; r < out.size(); ++r) out[r] += factor * matrix[r * stride + column];
}

void ScaleColumns(std::vector<float>& matrix, absl::Span<const float> factors) {
  const size_t columns = factors.size();
  for (size_t i = 0; i < matrix.size(); ++i) matrix[i] *= factors[i % columns];
}

std::vector<float> FirstColumns(absl::Span<const float> matrix, int64_t stride, int64_t columns) {
  std::vector<float> out;
  for (size_t row = 0; row < matrix.size(); row += stride) {
    const auto first = matrix.begin() + static_cast<int64_t>(row);
    out.insert(out.end(), first, first + columns);
  }
  return out;
}

std::vector<float> Times(absl::Span<const float> matrix, absl::Span<const float> vector) {
  return MatrixProduct(matrix, vector, static_cast<int64_t>(vector.size()));
}

std::vector<float> LeftTimes(absl::Span<const float> vector, absl::Span<const float> matrix) {
  return MatrixProduct(vector, matrix, static_cast<int64_t>(vector.size()));
}

std::vector<float> MatrixProduct(absl::Span<const float> a, absl::Span<const float> b,
                                 int64_t inner) {
  const int64_t rows = static_cast<int64_t>(a.size()) / inner;
  const int64_t columns = static_cast<int64_t>(b.size()) / inner;
  std::vector<float> out;
  std::vector<double> sum(columns);
  for (int64_t r = 0; r < rows; ++r) {
    sum.assign(columns, 0.0);
    for (int64_t i = 0; i < inner; ++i) {
      const double factor = a[r * inner + i];
      for (int64_t c = 0; c < columns; ++c) sum[c] += factor * b[i * columns + c];
    }
    out.insert(out.end(), sum.begin(), sum.end());
  }
  return out;
}

std::vector<float> Plus(std::vector<float> a, absl::Span<const float> b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

Triangle Triangulate(absl::Span<const float> matrix, absl::Span<const float> bias) {
  const size_t rows = bias.size();
  const size_t columns = matrix.size() / rows;
  // Modified Gram-Schmidt on the columns of [W b], each contiguous.
  std::vector<std::vector<double>> column(columns + 1, std::vector<double>(rows));
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) column[c][r] = matrix[r * columns + c];
    column[columns][r] = bias[r];
  }
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  Triangle out;
  out.matrix.assign(columns * columns, 0.0f);
  out.bias.assign(columns, 0.0f);
  for (size_t i = 0; i < columns; ++i) {
    const double length = std::sqrt(dot(column[i], column[i]));
    if (length == 0) continue;  // depends on the columns before: adds no row
    for (double& value : column[i]) value /= length;
    out.matrix[i * columns + i] = static_cast<float>(length);
    for (size_t c = i + 1; c <= columns; ++c) {
      const double part = dot(column[i], column[c]);
      for (size_t r = 0; r < rows; ++r) column[c][r] -= part * column[i][r];
      (c < columns ? out.matrix[i * columns + c] : out.bias[i]) = static_cast<float>(part);
    }
  }
  out.rest = static_cast<float>(dot(column[columns], column[columns]));
  return out;
}

}  // namespace hiif::algebra
