#include "train/muon.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "train/optimizer.h"

namespace hiif::train {
namespace {

at::Tensor Random(at::IntArrayRef shape) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(3);
  return at::empty(shape, at::kFloat).normal_(0.0, 1.0, generator);
}

TEST(MuonTest, MakesSingularValuesEqualAndKeepsTheirVectors) {
  for (const auto& shape : {std::vector<int64_t>{32, 64}, {64, 32}, {24, 8, 3, 3}}) {
    const at::Tensor matrix = Random(shape);
    const at::Tensor got = Orthogonalised(matrix);
    ASSERT_EQ(got.sizes(), matrix.sizes());
    const at::Tensor flat = got.flatten(1);
    const at::Tensor values = std::get<1>(at::linalg_svd(flat, /*full_matrices=*/false));
    EXPECT_GT(values.min().item<double>(), 0.6);
    EXPECT_LT(values.max().item<double>(), 1.3);
    const auto [u, s, v] = at::linalg_svd(matrix.flatten(1), /*full_matrices=*/false);
    EXPECT_GT(((u.mm(v)) * flat).sum().item<double>() / std::sqrt(static_cast<double>(s.numel())) /
                  flat.norm().item<double>(),
              0.95);
  }
}

TEST(MuonTest, IsForMatricesAlone) {
  EXPECT_TRUE(MuonFits(at::zeros({256, 256})));
  EXPECT_TRUE(MuonFits(at::zeros({64, 3, 3, 3})));
  EXPECT_FALSE(MuonFits(at::zeros({3, 256})));
  EXPECT_FALSE(MuonFits(at::zeros({256})));
}

TEST(MuonTest, AStepIsAsLongAsToldAndDoesNotDependOnTheSizeOfTheGradient) {
  for (const float size : {1e-6f, 1.0f, 1e3f}) {
    at::Tensor weight = at::zeros({32, 64});
    at::Tensor momentum = at::zeros({32, 64});
    MuonStep(weight, Random({32, 64}) * size, momentum, 0.01, 0.9);
    const double mean = weight.norm().item<double>() / std::sqrt(32.0 * 64.0);
    EXPECT_NEAR(mean, 0.2 * 0.01, 0.2 * 0.2 * 0.01);
    EXPECT_NEAR(momentum.norm().item<double>() / Random({32, 64}).norm().item<double>(), 0.1 * size,
                1e-3 * size);
  }
}

TEST(MuonTest, FallsOnABadlyConditionedProblemFasterThanAdam) {
  // |(W - W*) X|^2 where directions of the input differ in size by a hundred; none of them lies
  // along an axis, where Adam would see it.
  const at::Tensor wanted = 0.1 * Random({32, 32});
  const at::Tensor turned = std::get<0>(at::linalg_qr(Random({32, 32})));
  const at::Tensor inputs = turned * at::logspace(0, -2, 32, 10.0, at::kFloat);
  at::set_num_threads(1);  // small products: threads would only wait for each other
  const auto distance = [&](bool muon) {
    Network network;
    network.parameters["decoder.w"] = at::zeros({32, 32});
    OptimizerOptions options;
    options.muon = muon;
    Optimizer optimizer(std::move(network), options);
    const at::Tensor& w = optimizer.network().parameters.at("decoder.w");
    for (int i = 0; i < 200; ++i) {
      const at::Tensor gradient = (w.detach() - wanted).mm(inputs).mm(inputs.t());
      optimizer.Step({gradient}, 0.02 * (1 - i / 200.0));
    }
    return (w.detach() - wanted).mm(inputs).norm().item<double>();
  };
  EXPECT_LT(distance(true), 0.5 * distance(false));
}

}  // namespace
}  // namespace hiif::train
