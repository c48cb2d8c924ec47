#include "model/kernels/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace hiif::kernels {
namespace {

std::vector<float> Random(size_t size, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> out(size);
  for (float& v : out) v = normal(generator);
  return out;
}

double Gelu(double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); }

// Outputs that do not fill the panels, inputs that do not fill anything.
constexpr int kInputs = 75;
constexpr int kOutputs = 50;
constexpr int kRows = 24;

class GemmTest : public ::testing::Test {
 protected:
  double Dot(int row, int output) const {
    double sum = 0;
    for (int i = 0; i < kInputs; ++i)
      sum += double{x_[row * kInputs + i]} * w_[output * kInputs + i];
    return sum;
  }
  Product MakeProduct() { return Of(x_, y_); }
  Product Of(const std::vector<float>& x, std::vector<float>& y) {
    PackRows(x.data(), kInputs, kRows, kInputs, Number::kFloat32, scratch_.data());
    return {&packed_, kRows, scratch_.data(), y.data(), packed_.padded_outputs()};
  }
  float y(int row, int output) const { return y_[row * packed_.padded_outputs() + output]; }

  std::vector<float> w_ = Random(kInputs * kOutputs, 1);
  std::vector<float> x_ = Random(kInputs * kRows, 2);
  PackedMatrix packed_{w_, kOutputs, kInputs, kInputs};
  std::vector<float> y_ = Random(kRows * packed_.padded_outputs(), 3);
  std::vector<float> bias_ = Random(packed_.padded_outputs(), 4);
  std::vector<uint32_t> scratch_ = std::vector<uint32_t>(kInputs * kRows);
};

TEST_F(GemmTest, BiasAndStatistics) {
  std::vector<float> sum(kRows, 0), squares(kRows, 0);
  for (int o = kOutputs; o < packed_.padded_outputs(); ++o) bias_[o] = 0;
  MultiplyBias(MakeProduct(), bias_.data(), {sum.data(), squares.data()});
  for (int r = 0; r < kRows; ++r) {
    double expected_sum = 0, expected_squares = 0;
    for (int o = 0; o < kOutputs; ++o) {
      const double v = Dot(r, o) + bias_[o];
      EXPECT_NEAR(y(r, o), v, 1e-4);
      expected_sum += v;
      expected_squares += v * v;
    }
    EXPECT_NEAR(sum[r], expected_sum, 1e-3);
    EXPECT_NEAR(squares[r], expected_squares, 1e-5 * expected_squares);
  }
}

TEST_F(GemmTest, Gelu) {
  MultiplyGelu(MakeProduct(), bias_.data());
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOutputs; ++o) EXPECT_NEAR(y(r, o), Gelu(Dot(r, o) + bias_[o]), 1e-4);
  }
}

TEST_F(GemmTest, GeluOverItsWholeRange) {
  const std::vector<float> one = {1.0f};
  const PackedMatrix identity(one, 1, 1, 1);
  std::vector<float> x, y(kRowGroup * identity.padded_outputs()), zero(identity.padded_outputs());
  for (int i = -960; i < 960; i += kRowGroup) {
    x.clear();
    for (int r = 0; r < kRowGroup; ++r) x.push_back(static_cast<float>(i + r) / 96.0f);
    PackRows(x.data(), 1, kRowGroup, 1, Number::kFloat32, scratch_.data());
    MultiplyGelu({&identity, kRowGroup, scratch_.data(), y.data(), identity.padded_outputs()},
                 zero.data());
    for (int r = 0; r < kRowGroup; ++r) {
      EXPECT_NEAR(y[r * identity.padded_outputs()], Gelu(x[r]), 3e-6) << x[r];
    }
  }
}

TEST_F(GemmTest, AddsToWhatIsThere) {
  const std::vector<float> before = y_;
  MultiplyAdd(MakeProduct(), bias_.data(), {});
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOutputs; ++o) {
      EXPECT_NEAR(y(r, o), before[r * packed_.padded_outputs() + o] + Dot(r, o) + bias_[o], 1e-4);
    }
  }
}

TEST_F(GemmTest, FoldedNorm) {
  const std::vector<float> scale = Random(kRows, 5), mean = Random(kRows, 6);
  const std::vector<float> extra0 = Random(packed_.padded_outputs(), 7);
  const std::vector<float> extra1 = Random(packed_.padded_outputs(), 8);
  const std::vector<float> column_sum = Random(packed_.padded_outputs(), 9);
  std::vector<const float*> extra;
  for (int r = 0; r < kRows; ++r) extra.push_back(r % 3 ? extra0.data() : extra1.data());
  std::vector<float> sum_weights = Random(packed_.padded_outputs(), 10);
  for (int o = kOutputs; o < packed_.padded_outputs(); ++o) sum_weights[o] = 0;
  std::vector<float> sum(kRows, 0.5f);
  MultiplyNormGelu(MakeProduct(), {scale.data(), mean.data(), extra.data(), column_sum.data(),
                                   bias_.data(), sum_weights.data(), sum.data()});
  for (int r = 0; r < kRows; ++r) {
    double weighted = 0.5;
    for (int o = 0; o < kOutputs; ++o) {
      weighted += double{sum_weights[o]} * y(r, o);
      const double v =
          scale[r] * (Dot(r, o) + extra[r][o] - double{mean[r]} * column_sum[o]) + bias_[o];
      EXPECT_NEAR(y(r, o), Gelu(v), 2e-4);
    }
    EXPECT_NEAR(sum[r], weighted, 1e-3);
  }
}

TEST_F(GemmTest, RowsDoNotDependOnTheirPlace) {
  // The same rows rotated by one must give the same bits.
  std::vector<float> x = x_, y = y_;
  std::rotate(x.begin(), x.begin() + kInputs, x.end());
  MultiplyGelu(MakeProduct(), bias_.data());
  MultiplyGelu(Of(x, y), bias_.data());
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOutputs; ++o) {
      ASSERT_EQ(y[((r + kRows - 1) % kRows) * packed_.padded_outputs() + o],
                y_[r * packed_.padded_outputs() + o]);
    }
  }
}

TEST_F(GemmTest, Rgb) {
  const int columns = 64;
  const std::vector<float> x = Random(5 * columns, 10), w = Random(3 * columns, 11),
                           b = Random(3, 12);
  std::vector<float> out(15);
  MultiplyRgb(5, x.data(), columns, columns, w.data(), b.data(), out.data());
  for (int r = 0; r < 5; ++r) {
    for (int o = 0; o < 3; ++o) {
      double v = b[o];
      for (int c = 0; c < columns; ++c) v += double{x[r * columns + c]} * w[o * columns + c];
      EXPECT_NEAR(out[r * 3 + o], v, 1e-4);
    }
  }
}

// To the nearest of the 8 bits that a bfloat16 has, to even where two are as near.
double Rounded(float value) {
  int exponent = 0;
  const double mantissa = std::frexp(value, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(mantissa, 8)), exponent - 8);
}

// Float32 sums of products of rounded factors: an odd number of inputs, a triangle's late start.
TEST_F(GemmTest, BFloat16) {
  const PackedMatrix weights(w_, kOutputs, kInputs, kInputs, Number::kBFloat16);
  EXPECT_LT(weights.bytes(), packed_.bytes() * 6 / 10);
  std::vector<uint32_t> units(kRows * Units(Number::kBFloat16, kInputs));
  PackRows(x_.data(), kInputs, kRows, kInputs, Number::kBFloat16, units.data());
  Product product = {&weights, kRows, units.data(), y_.data(), weights.padded_outputs()};
  for (const bool native : {false, HasNativeBFloat16()}) {
    product.native = native;
    MultiplyBias(product, bias_.data(), {});
    for (int r = 0; r < kRows; ++r) {
      for (int o = 0; o < kOutputs; ++o) {
        double sum = bias_[o];
        for (int i = 0; i < kInputs; ++i) {
          sum += Rounded(x_[r * kInputs + i]) * Rounded(w_[o * kInputs + i]);
        }
        ASSERT_NEAR(y(r, o), sum, 1e-4) << r << " " << o;
      }
    }
  }
}

TEST_F(GemmTest, BFloat16KeepsWhatIsNotFinite) {
  x_[0] = std::numeric_limits<float>::quiet_NaN();
  x_[kInputs + 1] = std::numeric_limits<float>::infinity();
  const PackedMatrix weights(w_, kOutputs, kInputs, kInputs, Number::kBFloat16);
  std::vector<uint32_t> units(kRows * Units(Number::kBFloat16, kInputs));
  PackRows(x_.data(), kInputs, kRows, kInputs, Number::kBFloat16, units.data());
  MultiplyBias({&weights, kRows, units.data(), y_.data(), weights.padded_outputs()}, bias_.data(),
               {});
  EXPECT_TRUE(std::isnan(y(0, 0)));
  EXPECT_FALSE(std::isfinite(y(1, 0)));
  EXPECT_TRUE(std::isfinite(y(2, 0)));
}

// AMX works on blocks of 32 rows and columns and 32 inputs; nothing here is a multiple of that.
class AmxTest : public ::testing::TestWithParam<Number> {
 protected:
  static constexpr int kInputs = 75;
  static constexpr int kOutputs = 90;
  static constexpr int kRows = 60;

  void SetUp() override {
    if (!HasAmx()) GTEST_SKIP() << "this processor has no AMX";
  }
  // As it is multiplied.
  static double Factor(float value) {
    return GetParam() == Number::kAmxBFloat16 ? Rounded(value) : double{value};
  }
  double Dot(int row, int output) const {
    double sum = 0;
    for (int i = 0; i < kInputs; ++i) {
      sum += Factor(x_[row * kInputs + i]) * Factor(w_[output * kInputs + i]);
    }
    return sum;
  }
  Product MakeProduct() {
    PackRows(x_.data(), kInputs, kRows, kInputs, GetParam(), units_.data());
    return {&weights_,       kRows, units_.data(), y_.data(), weights_.padded_outputs(),
            packed_y_.data()};
  }
  float y(int row, int output) const { return y_[row * weights_.padded_outputs() + output]; }
  // The value in the result that is packed, or what its rounding left.
  double packed_y(int row, int output, bool rest = false) const {
    const int64_t part = weights_.padded_outputs() / 2;
    const int64_t parts = GetParam() == Number::kAmxFloat32 ? 2 : 1;
    const uint32_t unit = packed_y_[(row * parts + (rest ? 1 : 0)) * part + output / 2];
    return std::bit_cast<float>(output % 2 == 0 ? unit << 16 : unit & 0xffff0000u);
  }
  // Both results of every product.
  void ExpectResult(int row, int output, double expected, double tolerance) const {
    ASSERT_NEAR(y(row, output), expected, tolerance) << row << " " << output;
    ASSERT_EQ(packed_y(row, output), Rounded(y(row, output))) << row << " " << output;
    if (GetParam() == Number::kAmxFloat32) {
      const double rest = double{y(row, output)} - packed_y(row, output);
      ASSERT_EQ(packed_y(row, output, true), Rounded(static_cast<float>(rest)));
    }
  }

  std::vector<float> w_ = Random(kInputs * kOutputs, 1);
  std::vector<float> x_ = Random(kInputs * kRows, 2);
  PackedMatrix weights_{w_, kOutputs, kInputs, kInputs, GetParam()};
  std::vector<float> y_ = Random(kRows * weights_.padded_outputs(), 3);
  std::vector<float> bias_ = Random(weights_.padded_outputs(), 4);
  std::vector<uint32_t> units_ =
      std::vector<uint32_t>(PackedRows(GetParam(), kRows) * Units(GetParam(), kInputs));
  std::vector<uint32_t> packed_y_ =
      std::vector<uint32_t>(kRows * Units(GetParam(), weights_.padded_outputs()));
  std::vector<float> sum_ = std::vector<float>(kRows, 0.5f);
  std::vector<float> squares_ = std::vector<float>(kRows, 0.25f);
};

TEST_P(AmxTest, BiasAndStatistics) {
  for (int o = kOutputs; o < weights_.padded_outputs(); ++o) bias_[o] = 0;
  MultiplyBias(MakeProduct(), bias_.data(), {sum_.data(), squares_.data()});
  for (int r = 0; r < kRows; ++r) {
    double sum = 0.5, squares = 0.25;
    for (int o = 0; o < kOutputs; ++o) {
      const double v = Dot(r, o) + bias_[o];
      ExpectResult(r, o, v, 5e-4);
      sum += v;
      squares += v * v;
    }
    EXPECT_NEAR(sum_[r], sum, 2e-3);
    EXPECT_NEAR(squares_[r], squares, 5e-5 * squares);
  }
}

TEST_P(AmxTest, GeluAndResidual) {
  MultiplyGelu(MakeProduct(), bias_.data());
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOutputs; ++o) {
      const double v = Dot(r, o) + bias_[o];
      ExpectResult(r, o, Gelu(v), 1e-4 * std::abs(v) + 1e-4);
    }
  }
  const std::vector<float> before = y_;
  MultiplyAdd(MakeProduct(), bias_.data(), {});
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOutputs; ++o) {
      ExpectResult(r, o, before[r * weights_.padded_outputs() + o] + Dot(r, o) + bias_[o], 5e-4);
    }
  }
}

TEST_P(AmxTest, FoldedNorm) {
  const std::vector<float> scale = Random(kRows, 5), mean = Random(kRows, 6);
  const std::vector<float> extra0 = Random(weights_.padded_outputs(), 7);
  const std::vector<float> extra1 = Random(weights_.padded_outputs(), 8);
  const std::vector<float> column_sum = Random(weights_.padded_outputs(), 9);
  std::vector<float> sum_weights = Random(weights_.padded_outputs(), 10);
  for (int o = kOutputs; o < weights_.padded_outputs(); ++o) sum_weights[o] = 0;
  std::vector<const float*> extra;
  for (int r = 0; r < kRows; ++r) extra.push_back(r % 3 ? extra0.data() : extra1.data());
  MultiplyNormGelu(MakeProduct(), {scale.data(), mean.data(), extra.data(), column_sum.data(),
                                   bias_.data(), sum_weights.data(), sum_.data()});
  for (int r = 0; r < kRows; ++r) {
    double weighted = 0.5;
    for (int o = 0; o < kOutputs; ++o) {
      weighted += double{sum_weights[o]} * y(r, o);
      const double v =
          scale[r] * (Dot(r, o) + extra[r][o] - double{mean[r]} * column_sum[o]) + bias_[o];
      ExpectResult(r, o, Gelu(v), 1e-4 * std::abs(v) + 2e-4);
    }
    EXPECT_NEAR(sum_[r], weighted, 1e-3);
  }
}

TEST_P(AmxTest, TriangleSquares) {
  constexpr int kSize = 96;
  std::vector<float> triangle = Random(kSize * kSize, 11);
  for (int r = 0; r < kSize; ++r) std::fill_n(triangle.begin() + r * kSize, r, 0.0f);
  const PackedMatrix weights(triangle, kSize, kSize, kSize, GetParam());
  const std::vector<float> x = Random(kRows * kSize, 12), bias = Random(kSize, 13);
  std::vector<uint32_t> units(PackedRows(GetParam(), kRows) * weights.units());
  PackRows(x.data(), kSize, kRows, kSize, GetParam(), units.data());
  TriangleSquares({&weights, kRows, units.data()}, bias.data(), squares_.data());
  for (int r = 0; r < kRows; ++r) {
    double squares = 0.25;
    for (int o = 0; o < kSize; ++o) {
      double v = bias[o];
      for (int i = o; i < kSize; ++i) {
        v += Factor(x[r * kSize + i]) * Factor(triangle[o * kSize + i]);
      }
      squares += v * v;
    }
    EXPECT_NEAR(squares_[r], squares, 5e-5 * squares);
  }
}

TEST_P(AmxTest, RowsDoNotDependOnTheirPlace) {
  MultiplyGelu(MakeProduct(), bias_.data());
  const std::vector<float> before = y_;
  std::rotate(x_.begin(), x_.begin() + kInputs, x_.end());
  MultiplyGelu(MakeProduct(), bias_.data());
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOutputs; ++o) {
      ASSERT_EQ(y((r + kRows - 1) % kRows, o), before[r * weights_.padded_outputs() + o]);
    }
  }
}

TEST_P(AmxTest, KeepsWhatIsNotFinite) {
  x_[0] = std::numeric_limits<float>::quiet_NaN();
  x_[kInputs + 1] = std::numeric_limits<float>::infinity();
  MultiplyGelu(MakeProduct(), bias_.data());
  EXPECT_TRUE(std::isnan(y(0, 0)));
  EXPECT_FALSE(std::isfinite(packed_y(1, 0)) && std::isfinite(packed_y(1, 1)) &&
               std::isfinite(packed_y(1, 2)));
  EXPECT_TRUE(std::isfinite(y(2, 0)));
}

INSTANTIATE_TEST_SUITE_P(Numbers, AmxTest,
                         ::testing::Values(Number::kAmxBFloat16, Number::kAmxFloat32),
                         [](const auto& info) {
                           return info.param == Number::kAmxBFloat16 ? "BFloat16" : "Float32";
                         });

}  // namespace
}  // namespace hiif::kernels
