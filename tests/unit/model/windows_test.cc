// Attention in windows as encoders use it: by the loops of model/simd on a processor, by LibTorch's
// operations on a device.
#include "model/encoders/windows.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <vector>

#include "model/encoders/dat_layers.h"

namespace hiif {
namespace {

using Attention = std::function<at::Tensor(const at::Tensor& qkv, const at::Tensor& bias)>;

// What it gives, and the gradients of qkv and of the bias.
std::vector<at::Tensor> WithGradients(const Attention& attention, const at::Tensor& qkv,
                                      const at::Tensor& bias, const at::Tensor& out_gradient) {
  const at::Tensor leaf = qkv.detach().clone().set_requires_grad(true);
  const at::Tensor bias_leaf = bias.detach().clone().set_requires_grad(true);
  const at::Tensor out = attention(leaf, bias_leaf);
  std::vector<at::Tensor> all = torch::autograd::grad({out}, {leaf, bias_leaf}, {out_gradient});
  all.push_back(out.detach());
  return all;
}

void ExpectAlike(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_GT(expected[i].abs().max().item<float>(), 0.05);
    EXPECT_LT((got[i] - expected[i]).abs().max().item<float>(),
              2e-5 * expected[i].abs().max().item<float>())
        << i;
  }
}

class WindowsTest : public testing::TestWithParam<Windows> {
 protected:
  WindowsTest() { at::manual_seed(1); }

  static constexpr int64_t kHeads = 3;
  static constexpr int64_t kHeight = 16;
  static constexpr int64_t kWidth = 32;
  const Windows windows_ = GetParam();
  const int64_t count_ = 2 * kHeight * kWidth / windows_.pixels();  // of two images
  const at::Tensor qkv_ = at::randn({count_, windows_.pixels(), 3 * kHeads * 10});
  const at::Tensor bias_ = at::randn({kHeads, windows_.pixels(), windows_.pixels()});
  const at::Tensor out_gradient_ = at::randn({count_, windows_.pixels(), kHeads * 10});
};

TEST_P(WindowsTest, LoopsAreTheOperations) {
  for (const bool shifted : {false, true}) {
    const at::Tensor sides = shifted ? Sides(kHeight, kWidth, windows_, 0, kHeight) : at::Tensor();
    const auto loops = [&](const at::Tensor& qkv, const at::Tensor& bias) {
      return AttendByLoops(qkv, kHeads, BiasForLoops(bias), sides);
    };
    const auto operations = [&](const at::Tensor& qkv, const at::Tensor& bias) {
      return AttendByOperations(qkv, kHeads, bias, sides);
    };
    const auto chunks = [&](const at::Tensor& qkv, const at::Tensor& bias) {
      return AttendByChunks(qkv, kHeads, bias, sides);
    };
    const auto got = WithGradients(loops, qkv_, bias_, out_gradient_);
    ExpectAlike(got, WithGradients(operations, qkv_, bias_, out_gradient_));
    ExpectAlike(got, WithGradients(chunks, qkv_, bias_, out_gradient_));
    const c10::NoGradGuard guard;
    EXPECT_TRUE(at::equal(loops(qkv_, bias_), got[2])) << "without a gradient";
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, WindowsTest,
                         testing::Values(Windows{4, 4, 2, 2}, Windows{8, 8, 4, 4},
                                         Windows{4, 16, 2, 8}, Windows{16, 16, 8, 8}),
                         [](const auto& info) {
                           return std::to_string(info.param.rows) + "x" +
                                  std::to_string(info.param.columns);
                         });

// The bias of a frozen encoder has none, and the queries of the first layer may have none.
TEST(Windows, AGradientOfOneFactorAlone) {
  const Windows windows{4, 4};
  at::manual_seed(1);
  const at::Tensor qkv = at::randn({2, 16, 30});
  const at::Tensor bias = at::randn({1, 16, 16}).set_requires_grad(true);
  const auto sum = [&](const at::Tensor& out) {
    return torch::autograd::grad({out.square().sum()}, {bias})[0];
  };
  const at::Tensor got = sum(AttendByLoops(qkv, 1, BiasForLoops(bias), {}));
  const at::Tensor expected = sum(AttendByOperations(qkv, 1, bias, {}));
  EXPECT_LT((got - expected).abs().max().item<float>(), 1e-4);
  EXPECT_GT(expected.abs().max().item<float>(), 0.1);
}

}  // namespace
}  // namespace hiif
