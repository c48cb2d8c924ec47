#include "model/simd/window_attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "model/simd/isa.h"

namespace hiif::kernels {
namespace {

struct Case {
  int64_t windows, pixels, heads, channels;
  bool sides;
};

class Problem {
 public:
  explicit Problem(const Case& shape) : shape_(shape) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    qkv.resize(shape.windows * shape.pixels * 3 * shape.heads * shape.channels);
    for (float& value : qkv) value = 1.5f * normal(random);
    bias.assign(shape.heads * shape.pixels * PadPixels(shape.pixels),
                std::numeric_limits<float>::quiet_NaN());
    for (int64_t row = 0; row < shape.heads * shape.pixels; ++row) {
      for (int64_t i = 0; i < shape.pixels; ++i)
        bias[row * PadPixels(shape.pixels) + i] = normal(random);
    }
    // The first window is whole.
    for (int64_t i = 0; i < shape.windows * shape.pixels; ++i)
      side.push_back(i < shape.pixels ? 5 : static_cast<float>(i / 3 % 3));
  }

  std::vector<float> Attended() const {
    std::vector<float> out(shape_.windows * shape_.pixels * shape_.heads * shape_.channels, -7);
    Attend({shape_.windows, shape_.pixels, shape_.heads, shape_.channels, qkv.data(), bias.data(),
            shape_.sides ? side.data() : nullptr, out.data()});
    return out;
  }

  // Pixel by pixel, in double.
  std::vector<double> Expected() const {
    const auto& [windows, n, heads, d, sides] = shape_;
    const auto at = [&](int64_t window, int64_t pixel, int64_t part, int64_t head, int64_t c) {
      return static_cast<double>(qkv[(((window * n + pixel) * 3 + part) * heads + head) * d + c]);
    };
    std::vector<double> out;
    for (int64_t window = 0; window < windows; ++window) {
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t head = 0; head < heads; ++head) {
          std::vector<double> weights;
          double sum = 0;
          for (int64_t j = 0; j < n; ++j) {
            double score = 0;
            for (int64_t c = 0; c < d; ++c)
              score += at(window, i, 0, head, c) * at(window, j, 1, head, c);
            score =
                score / std::sqrt(static_cast<double>(d)) + bias[(head * n + j) * PadPixels(n) + i];
            if (sides && side[window * n + i] != side[window * n + j]) score -= 100;
            weights.push_back(std::exp(score));
            sum += weights.back();
          }
          for (int64_t c = 0; c < d; ++c) {
            double mixed = 0;
            for (int64_t j = 0; j < n; ++j) mixed += weights[j] / sum * at(window, j, 2, head, c);
            out.push_back(mixed);
          }
        }
      }
    }
    return out;
  }

  // Of q, k and v as Attend() takes them, then of the bias without its padding, where the loss
  // changes by `out` with what Attend() gives. Pixel by pixel, in double.
  std::vector<double> ExpectedGradient(const std::vector<float>& out) const {
    const auto& [windows, n, heads, d, sides] = shape_;
    const double scale = 1 / std::sqrt(static_cast<double>(d));
    std::vector<double> of_qkv(qkv.size()), of_bias(heads * n * n);
    for (int64_t window = 0; window < windows; ++window) {
      for (int64_t head = 0; head < heads; ++head) {
        const auto index = [&](int64_t pixel, int64_t part, int64_t c) {
          return (((window * n + pixel) * 3 + part) * heads + head) * d + c;
        };
        for (int64_t i = 0; i < n; ++i) {
          std::vector<double> weights(n), changes(n);
          double sum = 0;
          double mean = 0;
          for (int64_t j = 0; j < n; ++j) {
            double score = bias[(head * n + j) * PadPixels(n) + i];
            for (int64_t c = 0; c < d; ++c) {
              score += scale * qkv[index(i, 0, c)] * qkv[index(j, 1, c)];
              changes[j] +=
                  double{out[((window * n + i) * heads + head) * d + c]} * qkv[index(j, 2, c)];
            }
            if (sides && side[window * n + i] != side[window * n + j]) score -= 100;
            weights[j] = std::exp(score);
            sum += weights[j];
          }
          for (int64_t j = 0; j < n; ++j) mean += weights[j] / sum * changes[j];
          for (int64_t j = 0; j < n; ++j) {
            const double weight = weights[j] / sum;
            const double change = weight * (changes[j] - mean);
            of_bias[(head * n + j) * n + i] += change;
            for (int64_t c = 0; c < d; ++c) {
              of_qkv[index(i, 0, c)] += change * scale * qkv[index(j, 1, c)];
              of_qkv[index(j, 1, c)] += change * scale * qkv[index(i, 0, c)];
              of_qkv[index(j, 2, c)] += weight * out[((window * n + i) * heads + head) * d + c];
            }
          }
        }
      }
    }
    of_qkv.insert(of_qkv.end(), of_bias.begin(), of_bias.end());
    return of_qkv;
  }

  // The same by the loops; what the padding of the bias gets is 0.
  std::vector<float> Gradient(const std::vector<float>& out) const {
    const auto& [windows, n, heads, d, sides] = shape_;
    std::vector<float> of_qkv(qkv.size(), -7), padded(bias.size(), 0);
    AttendGradient({windows, n, heads, d, qkv.data(), bias.data(), sides ? side.data() : nullptr},
                   {out.data(), of_qkv.data(), padded.data()});
    for (int64_t row = 0; row < heads * n; ++row) {
      const auto first = padded.begin() + row * PadPixels(n);
      of_qkv.insert(of_qkv.end(), first, first + n);
      EXPECT_TRUE(std::all_of(first + n, first + PadPixels(n), [](float v) { return v == 0; }));
    }
    return of_qkv;
  }

  std::vector<float> qkv, bias, side;

 private:
  const Case shape_;
};

// With every instruction set of this machine.
class WindowAttentionTest : public testing::TestWithParam<Case> {
 protected:
  ~WindowAttentionTest() override { EXPECT_TRUE(ForceIsa(IsaName(before_)).ok()); }
  const Isa before_ = ActiveIsa();
};

TEST_P(WindowAttentionTest, IsTheDefinition) {
  const Problem problem(GetParam());
  const std::vector<double> expected = problem.Expected();
  for (const Isa isa : MachineIsas()) {
    ASSERT_TRUE(ForceIsa(IsaName(isa)).ok());
    const std::vector<float> attended = problem.Attended();
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(attended[i], expected[i], 1e-5) << IsaName(isa) << ", value " << i;
  }
}

TEST_P(WindowAttentionTest, GradientIsThatOfTheDefinition) {
  const Problem problem(GetParam());
  std::vector<float> out(problem.qkv.size() / 3);
  std::mt19937 random(11);
  for (float& value : out) value = std::normal_distribution<float>()(random);
  const std::vector<double> expected = problem.ExpectedGradient(out);
  for (const Isa isa : MachineIsas()) {
    ASSERT_TRUE(ForceIsa(IsaName(isa)).ok());
    const std::vector<float> gradient = problem.Gradient(out);
    ASSERT_EQ(gradient.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(gradient[i], expected[i], 5e-5) << IsaName(isa) << ", value " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, WindowAttentionTest,
                         testing::Values(Case{3, 64, 6, 10, true}, Case{2, 256, 3, 10, true},
                                         Case{2, 64, 2, 30, false}, Case{2, 4, 1, 1, true},
                                         Case{2, 49, 2, 7, true}, Case{1, 33, 1, 64, false}),
                         [](const auto& info) {
                           return std::to_string(info.param.pixels) + "x" +
                                  std::to_string(info.param.channels);
                         });

TEST(WindowAttention, DoesNotDependOnTheOtherWindows) {
  Problem problem({3, 64, 2, 10, true});
  const std::vector<float> together = problem.Attended();
  const size_t window = together.size() / 3;
  for (float& value : std::span(problem.qkv).first(problem.qkv.size() / 3)) value += 1;
  const std::vector<float> beside = problem.Attended();
  EXPECT_NE(beside[0], together[0]);
  EXPECT_TRUE(std::equal(together.begin() + window, together.end(), beside.begin() + window));
}

// A maximum of NaN is whatever the processor says, and the exponential of NaN may be 0.
TEST(WindowAttention, WhatIsNotFiniteIsNotLost) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const int64_t part : {0, 1, 2}) {
      Problem problem({2, 64, 1, 10, true});
      problem.qkv[(17 * 3 + part) * 10] = bad;
      const std::vector<float> out = problem.Attended();
      const auto finite = [&](int64_t pixel) { return std::isfinite(out[pixel * 10]); };
      EXPECT_FALSE(finite(17)) << bad << " in " << part;
      EXPECT_EQ(finite(3), part == 0) << bad << " in " << part;
      EXPECT_TRUE(finite(64 + 17)) << "of the other window";
    }
  }
}

}  // namespace
}  // namespace hiif::kernels
