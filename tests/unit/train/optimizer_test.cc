#include "train/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "model/checkpoint/checkpoint.h"
#include "tests/unit/train/training_case.h"
#include "train/initial_weights.h"
#include "train/run_folder.h"

namespace hiif::train {
namespace {

using ::testing::HasSubstr;

Network TwoWeights() {
  Network network;
  network.parameters["encoder.a"] = at::full({2}, 1.0);
  network.parameters["decoder.b"] = at::full({2}, -1.0);
  return network;
}

// In the order of names(): decoder.b, encoder.a.
std::vector<at::Tensor> Gradients(float b, float a) {
  return {at::full({2}, b, at::kFloat), at::full({2}, a, at::kFloat)};
}

double First(const at::Tensor& tensor) { return tensor[0].item<double>(); }

TEST(OptimizerTest, IsAdamWithAnAverageThatStartsFast) {
  OptimizerOptions options;
  options.encoder_rate = 0.5;
  options.average = 0.25;
  Optimizer optimizer(TwoWeights(), options);
  ASSERT_EQ(optimizer.names(), (std::vector<std::string>{"decoder.b", "encoder.a"}));
  double value = -1.0, mean = 0, square = 0, average = -1.0;
  const float gradients[] = {0.5f, -2.0f, 0.25f, 1.0f};
  for (int n = 1; n <= 4; ++n) {
    const double g = gradients[n - 1];
    EXPECT_NEAR(optimizer.Step(Gradients(gradients[n - 1], gradients[n - 1]), 0.01),
                std::abs(g) * 2.0, 1e-6);
    mean = 0.9 * mean + 0.1 * g;
    square = 0.999 * square + 0.001 * g * g;
    value -= 0.01 * mean / (1 - std::pow(0.9, n)) /
             (std::sqrt(square / (1 - std::pow(0.999, n))) + 1e-8);
    const double decay = std::min(0.25, (1.0 + n) / (10.0 + n));
    average = decay * average + (1 - decay) * value;
    EXPECT_NEAR(First(optimizer.network().parameters.at("decoder.b")), value, 1e-6);
    EXPECT_NEAR(First(optimizer.average().at("decoder.b")), average, 1e-6);
    EXPECT_NEAR(First(optimizer.network().parameters.at("encoder.a")) - 1.0, 0.5 * (value + 1.0),
                1e-6);
  }
  EXPECT_EQ(optimizer.updates(), 4);
}

TEST(OptimizerTest, ClipsTheNormOfTheWholeGradient) {
  OptimizerOptions options;
  options.clip = 1.0;
  options.beta1 = 0;  // the first moment is the gradient
  Optimizer optimizer(TwoWeights(), options);
  EXPECT_NEAR(optimizer.Step(Gradients(3.0f, 4.0f), 0.01), std::sqrt(50.0), 1e-5);
  const auto state = optimizer.State();
  EXPECT_NEAR(First(state.at("first/decoder.b")), 3.0 / std::sqrt(50.0), 1e-6);
  EXPECT_NEAR(First(state.at("first/encoder.a")), 4.0 / std::sqrt(50.0), 1e-6);
  optimizer.Step(Gradients(0.3f, 0.4f), 0.01);
  EXPECT_NEAR(First(optimizer.State().at("first/encoder.a")), 0.4, 1e-6) << "small: not clipped";
}

TEST(OptimizerTest, AGradientThatIsNotFiniteChangesNothing) {
  Optimizer optimizer(TwoWeights(), {});
  optimizer.Step(Gradients(1.0f, 1.0f), 0.01);
  std::map<std::string, at::Tensor> before;
  for (const auto& [name, tensor] : optimizer.State()) before[name] = tensor.clone();
  EXPECT_FALSE(std::isfinite(
      optimizer.Step(Gradients(1.0f, std::numeric_limits<float>::quiet_NaN()), 0.01)));
  for (const auto& [name, tensor] : optimizer.State()) EXPECT_TRUE(tensor.equal(before[name]));
  EXPECT_EQ(optimizer.updates(), 1);
}

TEST(OptimizerTest, TakesOverAStateAndRefusesAnothers) {
  OptimizerOptions frozen;
  frozen.encoder_rate = 0;
  Optimizer one(TwoWeights(), {});
  one.Step(Gradients(1.0f, -1.0f), 0.01);
  Optimizer two(TwoWeights(), {});
  ASSERT_TRUE(two.SetState(one.State(), 1));
  one.Step(Gradients(0.5f, 2.0f), 0.01);
  two.Step(Gradients(0.5f, 2.0f), 0.01);
  for (const auto& [name, tensor] : one.State()) EXPECT_TRUE(tensor.equal(two.State().at(name)));
  Optimizer other(TwoWeights(), frozen);
  EXPECT_EQ(other.names(), std::vector<std::string>{"decoder.b"});
  EXPECT_FALSE(other.SetState(one.State(), 1));
}

TEST(LearningRateTest, Schedules) {
  TrainOptions options;
  options.learning_rate = 1.0;
  options.steps = 110;
  options.schedule = "constant";
  EXPECT_EQ(LearningRate(options, 0), 1.0);
  EXPECT_EQ(LearningRate(options, 109), 1.0);
  options.schedule = "steps";
  options.milestones = {10, 20};
  EXPECT_EQ(LearningRate(options, 9), 1.0);
  EXPECT_EQ(LearningRate(options, 10), 0.5);
  EXPECT_EQ(LearningRate(options, 20), 0.25);
  options.schedule = "cosine";
  options.warmup = 10;
  options.final_rate = 0.2;
  EXPECT_NEAR(LearningRate(options, 0), 0.1, 1e-12);
  EXPECT_NEAR(LearningRate(options, 9), 1.0, 1e-12);
  EXPECT_NEAR(LearningRate(options, 60), 0.6, 1e-12);
  EXPECT_NEAR(LearningRate(options, 110), 0.2, 1e-12);
}

TEST(OptionsTest, EveryPresetNamesANetworkAndIsInRange) {
  for (const auto& [name, help] : Presets()) {
    TrainOptions options = Preset(name).value();
    options.data = "data.pack";
    EXPECT_TRUE(Validate(options).ok()) << name << ": " << Validate(options).message();
    EXPECT_TRUE(NetworkOf(options, ModelConfig{}).ok()) << name;
    EXPECT_FALSE(help.empty());
    const TrainOptions again = ParseOptions(OptionsJson(options)).value();
    EXPECT_EQ(OptionsJson(again), OptionsJson(options));
  }
  EXPECT_THAT(std::string(Preset("best").status().message()), HasSubstr("paper-edsr"));
}

TEST(OptionsTest, RefusesWhatItDoesNotKnow) {
  EXPECT_FALSE(ParseOptions("[]").ok());
  EXPECT_FALSE(ParseOptions(R"({"bach": 4})").ok());
  EXPECT_THAT(std::string(ParseOptions(R"({"batch": "4"})").status().message()),
              HasSubstr("batch is of a wrong kind"));
  TrainOptions options;
  options.encoder = "vgg";
  EXPECT_THAT(std::string(NetworkOf(options, {}).status().message()), HasSubstr("rdn-small"));
  options.encoder.clear();
  options.encoder = "none {}";
  options.decoder = "bicubic {}";
  EXPECT_THAT(std::string(NetworkOf(options, {}).status().message()),
              HasSubstr("nothing to train"));
  options.encoder.clear();
  options.decoder = "clit-1";
  options.max_scale = 6;
  EXPECT_THAT(std::string(NetworkOf(options, {}).status().message()), HasSubstr("--max-scale"));
}

// A checkpoint of random weights.
std::string Save(const TrainOptions& options, const std::string& name) {
  const InitialWeights weights = MakeInitialWeights(options).value();
  const std::string path = FreshPath(name);
  EXPECT_TRUE(WriteWeights(path, weights.network.config, weights.network.parameters, {}).ok());
  return path;
}

TEST(InitialWeightsTest, RandomOnesDependOnTheSeed) {
  TrainOptions options = TinyOptions();
  const Parameters a = MakeInitialWeights(options).value().network.parameters;
  const Parameters b = MakeInitialWeights(options).value().network.parameters;
  options.seed = 2;
  const Parameters c = MakeInitialWeights(options).value().network.parameters;
  for (const auto& [name, tensor] : a) {
    EXPECT_TRUE(tensor.equal(b.at(name)));
    if (name.find(".norm.") != std::string::npos || name.find("ln.") != std::string::npos) continue;
    EXPECT_FALSE(tensor.equal(c.at(name))) << name;
  }
}

TEST(InitialWeightsTest, PartsComeFromOtherCheckpoints) {
  TrainOptions options = TinyOptions();
  options.seed = 11;
  const std::string encoder = Save(options, "encoder");
  // The decoder of another encoder of the same width fits.
  options.seed = 12;
  options.encoder = R"(rdn {"base_features":8,"blocks":1,"layers_per_block":1,"growth":4})";
  const std::string decoder = Save(options, "decoder");
  options = TinyOptions();
  options.init_encoder = encoder;
  options.init_decoder = decoder;
  const InitialWeights weights = MakeInitialWeights(options).value();
  const Parameters e = LoadNetwork(Checkpoint::Open(encoder).value()).value().parameters;
  const Parameters d = LoadNetwork(Checkpoint::Open(decoder).value()).value().parameters;
  int of_encoder = 0;
  for (const auto& [name, tensor] : weights.network.parameters) {
    const bool is_encoder = name.rfind("encoder.", 0) == 0;
    of_encoder += is_encoder ? 1 : 0;
    EXPECT_TRUE(tensor.equal(is_encoder ? e.at(name) : d.at(name))) << name;
  }
  EXPECT_GT(of_encoder, 0);
  EXPECT_THAT(weights.origin, HasSubstr("encoder of "));
  EXPECT_THAT(weights.origin, HasSubstr("decoder of "));
}

TEST(InitialWeightsTest, OnesOfAnotherShapeAreRefusedByName) {
  TrainOptions options = TinyOptions();
  const std::string small = Save(options, "small");
  options.encoder = R"(edsr-baseline {"features":12,"blocks":1})";
  options.init_encoder = small;
  const absl::Status status = MakeInitialWeights(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tensor encoder."));
  EXPECT_THAT(std::string(status.message()), HasSubstr("another shape"));
}

}  // namespace
}  // namespace hiif::train
