#include "train/trainer.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/file.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/network.h"
#include "tests/unit/train/training_case.h"
#include "train/initial_weights.h"
#include "train/run_folder.h"

namespace hiif::train {
namespace {

using ::testing::HasSubstr;

RunState StateOf(const std::string& run) {
  return RunFolder::Open(run).value().LoadState().value();
}

::testing::AssertionResult SameBits(const RunState& a, const RunState& b) {
  if (a.tensors.size() != b.tensors.size()) return ::testing::AssertionFailure() << "other tensors";
  for (const auto& [name, tensor] : a.tensors) {
    if (b.tensors.count(name) == 0 || !tensor.equal(b.tensors.at(name))) {
      return ::testing::AssertionFailure() << name << " differs";
    }
  }
  return ::testing::AssertionSuccess();
}

std::vector<std::string> Column(const std::string& path, int column) {
  std::vector<std::string> cells;
  const std::string text = ReadFile(path).value();
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    cells.emplace_back(std::vector<std::string>(absl::StrSplit(line, ','))[column]);
  }
  return cells;
}

// Without the columns that tell the time.
std::vector<std::string> Losses(const std::string& run) { return Column(run + "/log.csv", 2); }
std::vector<std::string> Validations(const std::string& run) {
  std::vector<std::string> all = Column(run + "/validation.csv", 0);
  for (const int column : {2, 3}) {
    for (std::string& cell : Column(run + "/validation.csv", column))
      all.push_back(std::move(cell));
  }
  return all;
}

class TrainerTest : public ::testing::Test {
 protected:
  TrainerTest() {
    options_.data = PackWaves("data");
    hooks_.say = [this](const std::string& line) { said_ += line + "\n"; };
  }

  absl::StatusOr<Outcome> Go(const std::string& run) { return Train(options_, run, hooks_); }

  TrainOptions options_ = TinyOptions();
  TrainHooks hooks_;
  std::string said_;
};

class TrainerTestOfOptimizer : public TrainerTest,
                               public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Optimizers, TrainerTestOfOptimizer, ::testing::Values("adam", "muon"));

TEST_F(TrainerTest, LowersTheLoss) {
  options_.steps = 120;
  options_.log_every = 20;
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  const std::vector<std::string> losses = Losses(run);
  ASSERT_EQ(losses.size(), 7);
  EXPECT_LT(std::stod(losses[6]), 0.7 * std::stod(losses[1]));
  EXPECT_THAT(said_, HasSubstr("step 120 of 120"));
}

TEST_P(TrainerTestOfOptimizer, StoppedAfterEveryStepEndsAsUnbroken) {
  options_.optimizer = GetParam();
  options_.validation = options_.data;
  options_.validate_every = 3;
  options_.validation_crop = 24;
  options_.validation_scales = {2};
  const std::string unbroken = FreshPath("unbroken");
  ASSERT_EQ(Go(unbroken).value(), Outcome::kFinished);

  const std::string broken = FreshPath("broken");
  const std::atomic<bool> stop = true;  // asked after every step
  hooks_.stop = &stop;
  for (int step = 1; step < 6; ++step) {
    ASSERT_EQ(Go(broken).value(), Outcome::kStopped);
    ASSERT_EQ(StateOf(broken).progress.step, step);
    options_.threads = 1 + step % 2;  // how it is computed may change
  }
  ASSERT_EQ(Go(broken).value(), Outcome::kFinished);
  EXPECT_TRUE(SameBits(StateOf(unbroken), StateOf(broken)));
  EXPECT_EQ(StateOf(broken).progress.updates, 6);
  EXPECT_EQ(Losses(unbroken), Losses(broken));
  EXPECT_EQ(Validations(unbroken), Validations(broken));
  EXPECT_EQ(Validations(broken).size(), 9);  // of steps 3 and 6, and the header
  EXPECT_EQ(StateOf(unbroken).progress.best_psnr, StateOf(broken).progress.best_psnr);
  EXPECT_EQ(Go(broken).value(), Outcome::kFinished) << "a run that is finished stays finished";
}

TEST_F(TrainerTest, ARunKilledBetweenItsLastStateAndItsWeightsHasThemWhenItGoesOn) {
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  const std::string weights = ReadFile(run + "/weights.safetensors").value();
  ASSERT_TRUE(std::filesystem::remove(run + "/weights.safetensors"));
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  EXPECT_EQ(ReadFile(run + "/weights.safetensors").value(), weights);
}

TEST_F(TrainerTest, WhatAKilledProcessLeftHalfWrittenGoes) {
  const std::string run = FreshPath("run");
  std::filesystem::create_directories(run);
  const std::string temporary = run + "/state.safetensors.4711.aB3xYz.part";
  const std::string others = run + "/notes.txt.4711.aB3xYz.part";
  for (const std::string& path : {temporary, others}) {
    ASSERT_TRUE(WriteFileAtomically(path, "x").ok());
  }
  ASSERT_TRUE(RunFolder::Open(run).ok());
  EXPECT_FALSE(std::filesystem::exists(temporary));
  EXPECT_TRUE(std::filesystem::exists(others));
}

TEST_F(TrainerTest, AValidationThatAStopCameBeforeIsMadeOnce) {
  options_.validation = options_.data;
  options_.validate_every = 3;
  options_.validation_crop = 24;
  options_.validation_scales = {2};
  options_.minutes = 1e-9;  // a step
  const std::string run = FreshPath("run");
  for (int step = 1; step <= 3; ++step) ASSERT_EQ(Go(run).value(), Outcome::kStopped);
  EXPECT_FALSE(std::filesystem::exists(run + "/validation.csv"));
  EXPECT_TRUE(StateOf(run).progress.validation_due);
  // A process that was killed between the validation and its checkpoint.
  ASSERT_TRUE(WriteFileAtomically(run + "/validation.csv", "step,seconds,mean,x2\n3,9,9,9\n").ok());
  ASSERT_EQ(Go(run).value(), Outcome::kStopped);
  EXPECT_EQ(Column(run + "/validation.csv", 0), (std::vector<std::string>{"step", "3"}));
  EXPECT_NE(Column(run + "/validation.csv", 1)[1], "9");
  EXPECT_FALSE(StateOf(run).progress.validation_due);
  ASSERT_EQ(Go(run).value(), Outcome::kStopped);
  // The last step's is not left to anybody.
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  EXPECT_EQ(Column(run + "/validation.csv", 0), (std::vector<std::string>{"step", "3", "6"}));
}

TEST_F(TrainerTest, WhatIsValidatedOnMayChangeAndTheBestIsLookedForAnew) {
  options_.validation = options_.data;
  options_.validate_every = 3;
  options_.validation_crop = 24;
  options_.validation_scales = {2};
  options_.minutes = 1e-9;  // a step
  const std::string run = FreshPath("run");
  const auto steps = [&](int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(Go(run).ok());
  };
  steps(4);  // the fourth validates first
  EXPECT_EQ(StateOf(run).progress.best_step, 3);
  RunState state = StateOf(run);
  state.progress.best_psnr = 1e3;  // no other figure is as high
  ASSERT_TRUE(RunFolder::Open(run).value().SaveState(state).ok());
  const std::string before = ReadFile(run + "/validation.csv").value();
  options_.validation_scales = {2, 3};
  steps(1);
  EXPECT_EQ(StateOf(run).progress.best_step, -1);
  EXPECT_FALSE(std::filesystem::exists(run + "/validation.csv"));
  EXPECT_EQ(ReadFile(run + "/until-4.validation.csv").value(), before);
  steps(1);
  EXPECT_EQ(StateOf(run).progress.best_step, 6);
  EXPECT_LT(StateOf(run).progress.best_psnr, 1e3);
  EXPECT_EQ(Column(run + "/validation.csv", 4)[0], "x3");
  steps(1);
  EXPECT_EQ(StateOf(run).progress.best_step, 6) << "the same again changes nothing";
  EXPECT_FALSE(std::filesystem::exists(run + "/until-6.validation.csv"));
  // A run that is at its end is measured by what is new at once.
  options_.validation = PackWaves("others", 1);
  steps(1);
  EXPECT_EQ(StateOf(run).progress.best_step, 6);
  EXPECT_EQ(Column(run + "/validation.csv", 0), (std::vector<std::string>{"step", "6"}));
  EXPECT_TRUE(std::filesystem::exists(run + "/until-6.validation.csv"));
}

TEST_F(TrainerTest, WhatCannotBeValidatedIsRefusedBeforeTheFirstStep) {
  options_.validation = options_.data;
  options_.validate_every = 3;
  const auto error = [&] { return std::string(Go(FreshPath("run")).status().message()); };
  options_.validation_crop = 6;
  EXPECT_THAT(error(), HasSubstr("--validation-crop 6"));
  EXPECT_THAT(error(), HasSubstr("too small for scale 3"));
  options_.validation_crop = 24;
  options_.decoder =
      R"(clit {"features":8,"heads":2,"radius":1,"stages":1,"hidden":[16],"exponent_range":10})";
  options_.validation_scales = {2, 5};
  EXPECT_THAT(error(), HasSubstr("other --validation-scales than 5"));
  options_.validation_scales = {};
  EXPECT_THAT(error(), HasSubstr("validation-scales"));
  options_.validation_scales = {2};
  options_.validation_crop = 0;
  EXPECT_THAT(error(), HasSubstr("validation-crop"));
  EXPECT_EQ(said_, "");
}

TEST_F(TrainerTest, WhatWasLoggedAfterTheCheckpointIsWrittenAnew) {
  options_.steps = 2;
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  // As a process that was killed between two checkpoints leaves it.
  const std::string log = ReadFile(run + "/log.csv").value();
  ASSERT_TRUE(WriteFileAtomically(run + "/log.csv", log + "3,9,9,9,9,9,0\n4,9,9,9,9,9,0\n").ok());
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  EXPECT_EQ(ReadFile(run + "/log.csv").value(), log);
}

TEST_F(TrainerTest, WhatWasLoggedBeforeAnyCheckpointIsWrittenAnew) {
  options_.steps = 2;
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  const std::vector<std::string> losses = Losses(run);
  ASSERT_TRUE(std::filesystem::remove(run + "/state.safetensors"));
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  EXPECT_EQ(Losses(run), losses);
}

TEST_F(TrainerTest, StepsWithoutAFiniteGradientAreSkippedAndCounted) {
  options_.steps = 1;
  options_.learning_rate = 1e30;  // the first update leaves weights whose products overflow
  const std::string first = FreshPath("first");
  ASSERT_EQ(Go(first).value(), Outcome::kFinished);
  options_.steps = 4;
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  const RunState state = StateOf(run);
  EXPECT_EQ(state.progress.step, 4);
  EXPECT_EQ(state.progress.updates, 1);
  EXPECT_EQ(state.progress.skipped, 3);
  EXPECT_TRUE(SameBits(state, StateOf(first))) << "a skipped step changes nothing";
  EXPECT_THAT(said_, HasSubstr("step 3 skipped: its loss or gradient is not finite"));
  EXPECT_THAT(ReadFile(run + "/log.csv").value(), HasSubstr(",3\n"));
}

TEST_F(TrainerTest, TooManySkippedStepsEndTheRunWithAMessage) {
  options_.learning_rate = 1e30;
  options_.max_bad_steps = 2;
  const absl::Status status = Go(FreshPath("run")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("3 steps in a row had no finite gradient"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("lower --learning-rate"));
}

TEST_F(TrainerTest, WholeScalesAreOfACache) {
  for (const double part : {0.5, -1.0}) {
    options_.whole_scales = part;
    EXPECT_THAT(std::string(Go(FreshPath("run")).status().message()), HasSubstr("for a cache"));
  }
}

TEST_F(TrainerTest, GoingOnRefusesWhatWouldChangeTheCourse) {
  options_.steps = 2;
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  const TrainOptions before = options_;
  options_.learning_rate = 2e-3;
  options_.queries = 16;
  absl::Status status = Go(run).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("queries, learning-rate"));
  options_ = before;
  options_.data = PackWaves("others", 1);
  status = Go(run).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("holds other images"));
}

TEST_F(TrainerTest, ATeacherMayBeMovedAndNotReplaced) {
  options_.steps = 1;
  const std::string first = FreshPath("first");
  ASSERT_EQ(Go(first).value(), Outcome::kFinished);
  options_.seed = 2;
  const std::string second = FreshPath("second");
  ASSERT_EQ(Go(second).value(), Outcome::kFinished);
  options_.steps = 4;
  options_.teacher = first + "/weights.safetensors";
  options_.init_encoder = options_.teacher;
  const std::string unbroken = FreshPath("unbroken");
  ASSERT_EQ(Go(unbroken).value(), Outcome::kFinished);

  const std::string broken = FreshPath("broken");
  options_.minutes = 1e-9;  // a step
  ASSERT_EQ(Go(broken).value(), Outcome::kStopped);
  const std::string moved = FreshPath("moved");
  std::filesystem::rename(options_.teacher, moved);
  EXPECT_EQ(Go(broken).status().code(), absl::StatusCode::kNotFound);
  for (const std::string& wrong : {second + "/weights.safetensors", std::string()}) {
    options_.teacher = wrong;
    const absl::Status status = Go(broken).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("teacher"));
  }
  options_.minutes = 0;
  options_.teacher = moved;
  ASSERT_EQ(Go(broken).value(), Outcome::kFinished);
  EXPECT_TRUE(SameBits(StateOf(unbroken), StateOf(broken)));
}

TEST_F(TrainerTest, AStateOfAnEarlierBuildIsGoneOnWith) {
  options_.steps = 3;
  options_.minutes = 1e-9;
  const std::string first = FreshPath("first");
  ASSERT_EQ(Go(first).value(), Outcome::kStopped);
  options_.teacher = first + "/weights.safetensors";
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kStopped);
  RunState state = StateOf(run);
  state.teacher = "";
  state.validation = "";
  state.progress.best_psnr = std::numeric_limits<double>::quiet_NaN();  // null in the file
  state.progress.best_step = 1;
  ASSERT_TRUE(RunFolder::Open(run).value().SaveState(state).ok());
  ASSERT_EQ(Go(run).value(), Outcome::kStopped);
  EXPECT_NE(StateOf(run).teacher, "");
  EXPECT_EQ(StateOf(run).progress.best_step, -1);
}

TEST_F(TrainerTest, WhereThereIsNoMemoryItSaysWhatToDo) {
  std::function<void()> broken = [] { throw std::bad_alloc(); };
  hooks_.say = [&](const std::string&) { broken(); };
  const auto status = [&] { return Go(FreshPath("run")).status(); };
  EXPECT_EQ(status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status().message()), HasSubstr("smaller --batch"));
  broken = [] { TORCH_CHECK(false, "DefaultCPUAllocator: can't allocate memory"); };
  EXPECT_THAT(std::string(status().message()), HasSubstr("smaller --batch"));
  broken = [] { TORCH_CHECK(false, "something else"); };
  EXPECT_EQ(std::string(status().message()), "LibTorch: something else");
}

TEST_F(TrainerTest, OneProcessTrainsInAFolder) {
  const std::string run = FreshPath("run");
  const RunFolder other = RunFolder::Open(run).value();
  const absl::Status status = Go(run).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another process trains in"));
}

TEST_F(TrainerTest, AStateThatIsDamagedIsRefused) {
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  const std::string state = ReadFile(run + "/state.safetensors").value();
  ASSERT_TRUE(
      WriteFileAtomically(run + "/state.safetensors", state.substr(0, state.size() / 2)).ok());
  EXPECT_FALSE(Go(run).ok());
}

TEST_F(TrainerTest, ALowerRateOfTheEncoderAndAFrozenOne) {
  options_.steps = 1;
  options_.encoder_rate = 0.25;
  const std::string slow = FreshPath("slow");
  ASSERT_EQ(Go(slow).value(), Outcome::kFinished);
  options_.encoder_rate = 0;
  const std::string frozen = FreshPath("frozen");
  ASSERT_EQ(Go(frozen).value(), Outcome::kFinished);
  const RunState a = StateOf(slow);
  const RunState b = StateOf(frozen);
  EXPECT_EQ(b.tensors.count("first/encoder.head.0.weight"), 0);
  double encoder = 0;
  for (const auto& [name, tensor] : a.tensors) {
    if (name.rfind("parameter/encoder.", 0) != 0) continue;
    // The first update of Adam moves every weight by the rate.
    encoder = std::max(encoder, (tensor - b.tensors.at(name)).abs().max().item<double>());
  }
  EXPECT_NEAR(encoder, 0.25e-3, 1e-6);
  for (const auto& [name, tensor] : b.tensors) {
    if (name.rfind("parameter/", 0) != 0 || name.rfind("parameter/encoder.", 0) == 0) continue;
    EXPECT_TRUE(tensor.equal(a.tensors.at(name))) << name << ": the decoder's own rate is one";
  }
}

TEST_F(TrainerTest, Bfloat16IsNearFloat32) {
  options_.steps = 3;
  const std::string full = FreshPath("full");
  ASSERT_EQ(Go(full).value(), Outcome::kFinished);
  options_.precision = "bfloat16";
  const std::string half = FreshPath("half");
  ASSERT_EQ(Go(half).value(), Outcome::kFinished);
  const double a = std::stod(Losses(full)[1]);
  const double b = std::stod(Losses(half)[1]);
  EXPECT_NE(a, b);
  EXPECT_NEAR(a, b, 0.02 * a);
}

// A learner that is its own teacher is off a target mixed of both by what is left of the truth.
TEST_F(TrainerTest, ATeacherIsMixedIntoTheTarget) {
  options_.steps = 1;
  const std::string first = FreshPath("first");
  ASSERT_EQ(Go(first).value(), Outcome::kFinished);
  options_.init = first + "/weights.safetensors";
  options_.encoder.clear();
  options_.decoder.clear();
  const auto loss = [&](const char* run) {
    const std::string path = FreshPath(run);
    EXPECT_EQ(Go(path).value(), Outcome::kFinished);
    return std::stod(Losses(path)[1]);
  };
  const double alone = loss("alone");
  ASSERT_GT(alone, 0.01);
  options_.teacher = options_.init;
  for (const double rate : {1.0, 0.0}) {  // 0: the frozen encoder's codes are shared
    options_.encoder_rate = rate;
    options_.teacher_weight = 0.25;
    EXPECT_NEAR(loss("quarter"), 0.75 * alone, 1e-5);
    options_.teacher_weight = 1;
    EXPECT_NEAR(loss("whole"), 0, 1e-5);
  }
}

TEST_F(TrainerTest, AnEncoderLearnsTheLatentCodesOfATeacher) {
  options_.steps = 1;
  const std::string teacher = FreshPath("teacher");
  ASSERT_EQ(Go(teacher).value(), Outcome::kFinished);
  options_.teacher = teacher + "/weights.safetensors";
  options_.teacher_target = "features";
  options_.init_decoder = options_.teacher;
  options_.seed = 77;  // other first weights of the encoder
  options_.steps = 60;
  options_.learning_rate = 1e-3;
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  const std::vector<std::string> losses = Losses(run);
  EXPECT_LT(std::stod(losses.back()), 0.5 * std::stod(losses[1]));
  const auto decoder = [](const std::string& path) {
    Parameters parameters = LoadNetwork(Checkpoint::Open(path).value()).value().parameters;
    std::erase_if(parameters, [](const auto& p) { return p.first.starts_with("encoder."); });
    return parameters;
  };
  const Parameters before = decoder(options_.teacher);
  for (const auto& [name, value] : decoder(run + "/weights.safetensors")) {
    EXPECT_TRUE(at::equal(value, before.at(name))) << name;
  }
  // A learner that has the teacher's own encoder is at the target.
  options_.steps = 1;
  options_.init = options_.teacher;
  options_.encoder.clear();
  options_.decoder.clear();
  const std::string same = FreshPath("same");
  ASSERT_EQ(Go(same).value(), Outcome::kFinished);
  EXPECT_EQ(std::stod(Losses(same)[1]), 0);
  options_.encoder_rate = 0;
  EXPECT_THAT(std::string(Go(FreshPath("frozen")).status().message()),
              HasSubstr("encoder-rate must be above 0"));
  options_.teacher.clear();
  EXPECT_THAT(std::string(Go(FreshPath("alone")).status().message()),
              HasSubstr("needs a --teacher"));
  options_.teacher_target = "codes";
  EXPECT_THAT(std::string(Go(FreshPath("other")).status().message()),
              HasSubstr("neither output nor features"));
}

TEST_F(TrainerTest, TheCheckpointNamesItsTeacher) {
  options_.steps = 1;
  const std::string first = FreshPath("first");
  ASSERT_EQ(Go(first).value(), Outcome::kFinished);
  options_.teacher = first + "/weights.safetensors";
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  EXPECT_THAT(ReadFile(run + "/weights.safetensors").value(),
              HasSubstr("weights.safetensors (SHA-256 "));
  options_.teacher = first + "/none.safetensors";
  EXPECT_EQ(Go(FreshPath("other")).status().code(), absl::StatusCode::kNotFound);
  options_.degrade = true;
  EXPECT_THAT(std::string(Go(FreshPath("third")).status().message()),
              HasSubstr("leave --teacher or --degrade away"));
}

TEST_F(TrainerTest, WhatTheFirstWeightsSayOfOutputsAndLicenceIsKept) {
  options_.steps = 2;
  const std::string first = FreshPath("first");
  ASSERT_EQ(Go(first).value(), Outcome::kFinished);
  const Network network = LoadAny(first + "/weights.safetensors").value().network;
  const std::string given = FreshPath("given.safetensors");
  ASSERT_TRUE(WriteWeights(given, network.config, network.parameters,
                           {{"colour_slack", "0.25"}, {"license", "MIT"}, {"psnr", "99"}})
                  .ok());
  const auto said = [&](const std::string& run) {
    return Checkpoint::Open(run + "/weights.safetensors").value().metadata();
  };
  options_.init = given;
  options_.minutes = 1e-9;  // a step
  const std::string run = FreshPath("run");
  ASSERT_EQ(Go(run).value(), Outcome::kStopped);
  options_.minutes = 0;
  ASSERT_EQ(Go(run).value(), Outcome::kFinished);
  EXPECT_EQ(said(run).at("colour_slack"), "0.25");
  EXPECT_EQ(said(run).at("license"), "MIT");
  EXPECT_FALSE(said(run).contains("tone_slack"));
  EXPECT_FALSE(said(run).contains("psnr"));

  // Of weights from two files nobody knows the licence.
  options_.init_encoder = first + "/weights.safetensors";
  const std::string mixed = FreshPath("mixed");
  ASSERT_EQ(Go(mixed).value(), Outcome::kFinished);
  EXPECT_EQ(said(mixed).at("colour_slack"), "0.25");
  EXPECT_FALSE(said(mixed).contains("license"));
}

// Options are kept as JSON, which has no such numbers.
TEST_F(TrainerTest, EveryNumberMustBeFinite) {
  std::vector<std::string> names;
  VisitOptions(options_, [&](const char* name, auto& value, const char*, bool) {
    using T = std::remove_reference_t<decltype(value)>;
    for (const double wrong : {HUGE_VAL, std::nan("")}) {
      const T before = value;
      if constexpr (std::is_same_v<T, double>) {
        value = wrong;
      } else if constexpr (std::is_same_v<T, std::vector<double>>) {
        value = {2, wrong};
      } else {
        continue;
      }
      const absl::Status status = Validate(options_);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
      EXPECT_EQ(std::string(status.message()), absl::StrCat(name, " must be a finite number"));
      names.emplace_back(name);
      value = before;
    }
  });
  EXPECT_GT(names.size(), 20);
  EXPECT_TRUE(Validate(options_).ok());
}

TEST_F(TrainerTest, OutOfRangeOptionsSayWhich) {
  for (const char* device : {"gpu", "cuda:", "cuda:x", "cuda:-1", ""}) {
    options_.device = device;
    EXPECT_THAT(std::string(Go(FreshPath("run")).status().message()),
                HasSubstr("none of cpu, cuda, cuda:N"));
  }
  options_.device = "cpu";
  options_.batch = 5;
  EXPECT_THAT(std::string(Go(FreshPath("run")).status().message()),
              HasSubstr("batch 5 is not a multiple of shards 2"));
  options_.batch = 4;
  options_.optimizer = "sgd";
  EXPECT_THAT(std::string(Go(FreshPath("other")).status().message()),
              HasSubstr("neither adam nor muon"));
}

}  // namespace
}  // namespace hiif::train
