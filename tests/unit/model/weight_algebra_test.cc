#include "model/hiif/weight_algebra.h"

#include <gtest/gtest.h>

#include <random>

#include "model/kernels/gemm.h"

namespace hiif::kernels {

using namespace algebra;
namespace {

std::vector<float> Random(size_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(size);
  for (float& v : out) v = normal(generator);
  return out;
}

// |W h + b|^2, W with b.size() rows.
double SquaredNorm(const std::vector<float>& w, const std::vector<float>& b,
                   const std::vector<float>& h) {
  double squares = 0;
  for (size_t r = 0; r < b.size(); ++r) {
    double sum = b[r];
    for (size_t c = 0; c < h.size(); ++c) sum += double{w[r * h.size() + c]} * h[c];
    squares += sum * sum;
  }
  return squares;
}

TEST(FoldTest, ProductOfMatrices) {
  const std::vector<float> a = {1, 2, 3, 4, 5, 6};        // 2 x 3
  const std::vector<float> b = {1, 0, 2, 1, 3, 1, -1, 2,  // 3 x 4
                                0, 1, 1, 1};
  EXPECT_EQ(MatrixProduct(a, b, 3), (std::vector<float>{7, 5, 3, 8, 19, 11, 9, 20}));
  EXPECT_EQ(Times(a, std::vector<float>{1, 0, -1}), (std::vector<float>{-2, -2}));
  EXPECT_EQ(LeftTimes(std::vector<float>{1, -1}, a), (std::vector<float>{-3, -3, -3}));
  EXPECT_EQ(FirstColumns(a, 3, 2), (std::vector<float>{1, 2, 4, 5}));
}

TEST(FoldTest, TriangleKeepsTheNorm) {
  constexpr int kColumns = 32;
  for (const int rows : {32, 48}) {
    const std::vector<float> w = Random(rows * kColumns, 1);
    const std::vector<float> b = Random(rows, 2);
    const Triangle triangle = Triangulate(w, b);
    for (int r = 0; r < kColumns; ++r) {
      for (int c = 0; c < r; ++c) ASSERT_EQ(triangle.matrix[r * kColumns + c], 0.0f);
    }
    for (unsigned seed = 3; seed < 8; ++seed) {
      const std::vector<float> h = Random(kColumns, seed);
      const double expected = SquaredNorm(w, b, h);
      EXPECT_NEAR(SquaredNorm(triangle.matrix, triangle.bias, h) + triangle.rest, expected,
                  1e-5 * expected);
    }
  }
}

TEST(FoldTest, TriangleOfDependentColumns) {
  // The second column is twice the first, the third is zero; b has a part outside their span.
  const std::vector<float> w = {1, 2, 0, 2, 4, 0, 0, 0, 0};
  const std::vector<float> b = {1, -1, 3};
  const Triangle triangle = Triangulate(w, b);
  for (unsigned seed = 1; seed < 5; ++seed) {
    const std::vector<float> h = Random(3, seed);
    EXPECT_NEAR(SquaredNorm(triangle.matrix, triangle.bias, h) + triangle.rest,
                SquaredNorm(w, b, h), 1e-4);
  }
}

TEST(FoldTest, TriangleSquaresOnBlocks) {
  constexpr int kWidth = 96;
  constexpr int kRows = 2 * kRowGroup;
  const std::vector<float> w = Random(kWidth * kWidth, 1);
  const std::vector<float> b = Random(kWidth, 2);
  const Triangle triangle = Triangulate(w, b);
  const PackedMatrix packed(triangle.matrix, kWidth, kWidth, kWidth);
  const std::vector<float> x = Random(kRows * kWidth, 3);
  std::vector<uint32_t> scratch(kRows * kWidth);
  PackRows(x.data(), kWidth, kRows, kWidth, Number::kFloat32, scratch.data());
  std::vector<float> squares(kRows, triangle.rest);
  TriangleSquares({&packed, kRows, scratch.data()}, triangle.bias.data(), squares.data());
  for (int r = 0; r < kRows; ++r) {
    const std::vector<float> h(x.begin() + r * kWidth, x.begin() + (r + 1) * kWidth);
    const double expected = SquaredNorm(w, b, h);
    EXPECT_NEAR(squares[r], expected, 2e-5 * expected);
  }
}

}  // namespace
}  // namespace hiif::kernels
