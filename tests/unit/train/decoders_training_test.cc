// Every decoder learns, and what was trained is served.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "model/checkpoint/checkpoint.h"
#include "model/upscaler/factory.h"
#include "tests/unit/train/training_case.h"
#include "train/run_folder.h"
#include "train/trainer.h"

namespace hiif::train {
namespace {

class DecodersTraining : public ::testing::TestWithParam<const char*> {};

TEST_P(DecodersTraining, LowersTheLossAndIsServed) {
  TrainOptions options = TinyOptions();
  options.data = PackWaves("data");
  options.decoder = GetParam();
  options.steps = 80;
  options.log_every = 20;
  const std::string run = FreshPath("run");
  const auto outcome = Train(options, run, {});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  std::vector<double> losses;
  const std::string log = ReadFile(run + "/log.csv").value();
  for (const absl::string_view line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    if (cells[0] != "step") losses.push_back(std::stod(cells[2]));
  }
  ASSERT_EQ(losses.size(), 4);
  EXPECT_LT(losses.back(), 0.9 * losses.front());

  const auto checkpoint = Checkpoint::Open(run + "/weights.safetensors");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto upscaler = MakeUpscaler(*checkpoint, {});
  ASSERT_TRUE(upscaler.ok()) << upscaler.status();
  auto image = std::make_shared<RgbImage>(
      RgbImage{SampleType::kU8, 6, 7, std::vector<uint8_t>(6 * 7 * 3, 100)});
  const auto features = (*upscaler)->Encode(image);
  ASSERT_TRUE(features.ok()) << features.status();
  EXPECT_TRUE((*upscaler)->MakeContext(**features, {15, 19}, {}).ok());
}

// Scales up to 4 need one stage of CLIT: what they do not need learns nothing, and is no error.
TEST(DecodersTrainingOfParts, StagesThatNoScaleNeedsStayAsTheyAre) {
  constexpr absl::string_view kLayers[] = {"conv_qs", "conv_ks", "conv_vs", "imnets"};
  for (const char* optimizer : {"adam", "muon"}) {
    TrainOptions options = TinyOptions();
    options.data = PackWaves("data");
    options.decoder =
        R"(clit {"features":16,"heads":2,"radius":1,"stages":3,"hidden":[16],"exponent_range":10})";
    options.optimizer = optimizer;
    options.steps = 1;
    const auto parameters = [&](const char* name) {
      const std::string run = FreshPath(name);
      const auto outcome = Train(options, run, {});
      EXPECT_TRUE(outcome.ok()) << outcome.status();
      const RunState state = RunFolder::Open(run).value().LoadState().value();
      return state.tensors;
    };
    const auto first = parameters("first");
    options.steps = 3;
    const auto third = parameters("third");
    ASSERT_EQ(first.size(), third.size());
    int same = 0;
    for (const auto& [name, tensor] : first) {
      const bool unused = std::any_of(
          std::begin(kLayers), std::end(kLayers), [&name = name](absl::string_view layers) {
            return absl::StrContains(name, absl::StrCat(layers, ".1.")) ||
                   absl::StrContains(name, absl::StrCat(layers, ".2."));
          });
      if (absl::StartsWith(name, "parameter/") && unused) {
        EXPECT_TRUE(tensor.equal(third.at(name))) << name;
        ++same;
      }
      EXPECT_TRUE(at::isfinite(third.at(name)).all().item<bool>()) << name;
    }
    EXPECT_EQ(same, 2 * (3 * 2 + 2 * 2));  // q, k, v and a network of two layers, twice
    EXPECT_FALSE(first.at("parameter/imnets.0.layers.0.weight")
                     .equal(third.at("parameter/imnets.0.layers.0.weight")));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, DecodersTraining,
    ::testing::Values(
        R"(liif {"hidden":[16]})", R"(metasr {"hidden":16})",
        R"(lte {"features":16,"hidden":[16],"cell_limit":4})",
        R"(clit {"features":8,"heads":2,"radius":1,"stages":1,"hidden":[16],)"
        R"("exponent_range":10})",
        R"(ciaosr {"hidden_key":[16],"hidden_value":[16],"hidden_query":[16],)"
        R"("non_local":true})",
        R"(srno {"width":16,"heads":4,"attention_blocks":2,"hidden":16,"cell_limit":4})"),
    [](const auto& test) {
      const std::string spec = test.param;
      return spec.substr(0, spec.find(' '));
    });

}  // namespace
}  // namespace hiif::train
