#include "server/models/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "server/errors/errors.h"
#include "tests/testing/fake_upscaler.h"
#include "tests/testing/paths.h"

namespace hiif::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

// Of a call whose client waits.
absl::Status Wanted() { return absl::OkStatus(); }

// Of files that nobody reads: a load takes a moment and gives a model that computes nothing.
class RegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / "registry";
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    AddModel("first");
  }
  void AddModel(const std::string& name) {
    std::ofstream(folder_ / (name + ".safetensors")) << "a model";
  }
  // The default and the model asked for last: each load unloads the one before.
  RegistryOptions RoomForOne() {
    RegistryOptions options = Options();
    options.memory_bytes = 1;
    return options;
  }
  RegistryOptions Options() {
    RegistryOptions options;
    options.folder = folder_.string();
    options.default_model = "first";
    options.load =
        [this](const std::string& name, const std::string&, const UpscalerOptions&,
               const SafetensorsLimits&) -> absl::StatusOr<std::shared_ptr<const LoadedModel>> {
      ++loads_;
      if (on_load_) HIIF_RETURN_IF_ERROR(on_load_(name));
      // Others that are about to ask shall find a load under way.
      while (asking_ > 0) absl::SleepFor(absl::Milliseconds(1));
      absl::SleepFor(absl::Milliseconds(100));
      ModelFacts facts;
      facts.version = "1";
      facts.weights_bytes = 1000;
      return std::make_shared<const LoadedModel>(
          name, facts, std::make_unique<hiif::testing::FakeUpscaler>(&script_));
    };
    return options;
  }
  fs::path folder_;
  hiif::testing::FakeScript script_;
  std::function<absl::Status(const std::string& name)> on_load_;  // an error is that of the load
  std::atomic<int> loads_ = 0;
  std::atomic<int> asking_ = 0;  // threads that have not come as far as asking
};

TEST_F(RegistryTest, TheDefaultIsNamedOrTheBestOfTheFolder) {
  RegistryOptions options = Options();
  options.default_model = "";
  const auto chosen = [&] {
    ModelRegistry registry(options, nullptr);
    EXPECT_TRUE(registry.Scan().ok());
    return registry.default_model();
  };
  AddModel("a");
  EXPECT_EQ(chosen(), "a");
  AddModel("edsr-baseline-hiif");
  EXPECT_EQ(chosen(), "edsr-baseline-hiif");
  AddModel("edsr-baseline-hiif-fast");
  EXPECT_EQ(chosen(), "edsr-baseline-hiif-fast");
  options.default_model = "gone";  // what was named is not replaced
  EXPECT_EQ(chosen(), "gone");
}

TEST_F(RegistryTest, LoadsThatWaitAreShared) {
  AddModel("more");
  ModelRegistry registry(Options(), nullptr);
  ASSERT_TRUE(registry.Scan().ok());
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  asking_ = 8;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      --asking_;
      failed += !registry.Load("more", Wanted).ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  // One that was under way when the others came, one for these.
  EXPECT_LE(loads_, 2);
  // A later call loads again.
  const int before = loads_;
  const int64_t serial = registry.Get("more")->serial;
  ASSERT_TRUE(registry.Load("more", Wanted).ok());
  EXPECT_EQ(loads_, before + 1);
  EXPECT_GT(registry.Get("more")->serial, serial);
}

TEST_F(RegistryTest, AnUnloadedModelIsLoadedOnceForAllThatAskForIt) {
  AddModel("more");
  ModelRegistry registry(RoomForOne(), nullptr);
  ASSERT_TRUE(registry.Scan().ok());
  ASSERT_TRUE(registry.Load("more", Wanted).ok());
  ASSERT_TRUE(registry.Load("first", Wanted).ok());
  ASSERT_EQ(registry.Get("more")->state, ModelState::kUnloaded);
  loads_ = 0;
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  asking_ = 8;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      --asking_;
      failed += !registry.Acquire("more", "", Wanted).ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(loads_, 1);
}

// Defect: one load that failed for want of memory or of the file made a good model FAILED for ever.
TEST_F(RegistryTest, AnUnloadedModelThatCannotBeLoadedNowIsTriedAgain) {
  AddModel("more");
  ModelRegistry registry(RoomForOne(), nullptr);
  ASSERT_TRUE(registry.Scan().ok());
  ASSERT_TRUE(registry.Load("more", Wanted).ok());
  for (const absl::Status& failure :
       {absl::NotFoundError("no file"), absl::UnknownError("no descriptors"),
        absl::AbortedError("changed"), absl::ResourceExhaustedError("no memory")}) {
    ASSERT_TRUE(registry.Load("first", Wanted).ok());  // for which "more" goes
    on_load_ = [&](const std::string&) { return failure; };
    const absl::Status refused = registry.Acquire("more", "", Wanted).status();
    EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
    EXPECT_EQ(ReasonOf(refused), kReasonModelLoading);
    EXPECT_TRUE(RetryDelayOf(refused).has_value());
    EXPECT_FALSE(registry.Load("more", Wanted).ok());
    EXPECT_EQ(registry.Get("more")->state, ModelState::kUnloaded);
    EXPECT_EQ(registry.Get("more")->error, failure.message());
    on_load_ = nullptr;
    EXPECT_TRUE(registry.Acquire("more", "", Wanted).ok());
    EXPECT_EQ(registry.Get("more")->error, "");
  }
}

TEST_F(RegistryTest, AnUnloadedModelWhoseFileIsRefusedHasFailed) {
  AddModel("more");
  ModelRegistry registry(RoomForOne(), nullptr);
  ASSERT_TRUE(registry.Scan().ok());
  for (const absl::Status& failure :
       {absl::InvalidArgumentError("another shape"), absl::DataLossError("a flipped bit")}) {
    ASSERT_TRUE(registry.Load("more", Wanted).ok());
    ASSERT_TRUE(registry.Load("first", Wanted).ok());
    on_load_ = [&](const std::string&) { return failure; };
    for (int i = 0; i < 2; ++i) {
      const absl::Status refused = registry.Acquire("more", "", Wanted).status();
      EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
      EXPECT_EQ(ReasonOf(refused), kReasonModelFailed);
    }
    EXPECT_EQ(registry.Get("more")->state, ModelState::kFailed);
    on_load_ = nullptr;
  }
}

// Defect: the call of a client that was gone waited for loads of others, then for its own.
TEST_F(RegistryTest, WhoIsNotWantedWaitsForNoLoad) {
  AddModel("more");
  ModelRegistry registry(RoomForOne(), nullptr);
  ASSERT_TRUE(registry.Scan().ok());
  ASSERT_TRUE(registry.Load("more", Wanted).ok());
  ASSERT_TRUE(registry.Load("first", Wanted).ok());
  absl::Notification loading;
  absl::Notification go_on;
  on_load_ = [&](const std::string&) {
    loading.Notify();
    go_on.WaitForNotification();
    return absl::OkStatus();
  };
  std::thread other([&] { EXPECT_TRUE(registry.Load("first", Wanted).ok()); });
  loading.WaitForNotification();
  loads_ = 0;
  int asked = 0;
  const auto gone_soon = [&] {
    return ++asked > 1 ? absl::CancelledError("the client is gone") : absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsCancelled(registry.Acquire("more", "", gone_soon).status()));
  asked = 0;
  EXPECT_TRUE(absl::IsCancelled(registry.Load("more", gone_soon)));
  asked = 0;
  EXPECT_TRUE(absl::IsCancelled(registry.Unload("more", gone_soon)));
  EXPECT_EQ(registry.Get("more")->state, ModelState::kUnloaded);
  go_on.Notify();
  other.join();
  on_load_ = nullptr;
  asked = 0;  // its turn comes at once, and it is gone by then
  EXPECT_TRUE(absl::IsCancelled(registry.Acquire("more", "", gone_soon).status()));
  EXPECT_EQ(loads_, 0);
}

// Defect: on the thread that loads at the start it ended the process, on that of a call the model
// was LOADING for ever.
TEST_F(RegistryTest, AnExceptionIsTheErrorOfThatLoad) {
  AddModel("more");
  ModelRegistry registry(Options(), nullptr);
  ASSERT_TRUE(registry.Scan().ok());
  on_load_ = [](const std::string& name) -> absl::Status {
    if (name == "more") throw std::bad_alloc();
    return absl::OkStatus();
  };
  registry.LoadAll([] { return false; });
  EXPECT_EQ(registry.Get("more")->state, ModelState::kFailed);
  EXPECT_TRUE(registry.DefaultReady());
  const absl::Status status = registry.Load("more", Wanted);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonMemory);
  EXPECT_TRUE(RetryDelayOf(status).has_value());
  EXPECT_EQ(registry.Get("more")->state, ModelState::kFailed);
  on_load_ = [](const std::string&) -> absl::Status { throw std::length_error("x"); };
  EXPECT_TRUE(absl::IsInternal(registry.Load("more", Wanted)));
  EXPECT_TRUE(registry.Acquire("first", "", Wanted).ok());
  on_load_ = nullptr;
  EXPECT_TRUE(registry.Load("more", Wanted).ok());
}

TEST_F(RegistryTest, WhatIsUnloadedWhileAllAreLoadedStaysSo) {
  AddModel("second");
  AddModel("third");
  ModelRegistry registry(Options(), nullptr);
  ASSERT_TRUE(registry.Scan().ok());
  std::thread all([&] { registry.LoadAll([] { return false; }); });
  while (loads_ == 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_TRUE(registry.Unload("third", Wanted).ok());
  all.join();
  EXPECT_FALSE(registry.Get("third").ok());
  EXPECT_EQ(registry.List().size(), 2);
}

// Defect: told outside the lock, a late LOADING could overwrite READY.
TEST_F(RegistryTest, TheLastStateIsToldLast) {
  AddModel("more");
  std::map<std::string, ModelState> told;  // the listener is called by one thread at a time
  std::atomic<int> inside = 0;
  std::atomic<bool> together = false;
  ModelRegistry registry(Options(), [&](const ModelStatus& status) {
    if (++inside > 1) together = true;
    absl::SleepFor(absl::Milliseconds(status.state == ModelState::kLoading ? 20 : 1));
    told[status.name] = status.state;
    --inside;
  });
  ASSERT_TRUE(registry.Scan().ok());
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] { registry.Load("more", Wanted).IgnoreError(); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(told["more"], ModelState::kReady);
    ASSERT_TRUE(registry.Unload("more", Wanted).ok());
    EXPECT_EQ(told["more"], ModelState::kUnloaded);
  }
  EXPECT_FALSE(together);
}

// Weights are in the server's budget as long as anybody holds them.
TEST_F(RegistryTest, WeightsCountUntilTheLastRequestIsDone) {
  const int64_t before = LoadedModel::WeightsInMemory();
  AddModel("more");
  {
    ModelRegistry registry(Options(), nullptr);
    ASSERT_TRUE(registry.Scan().ok());
    registry.LoadAll([] { return false; });
    EXPECT_EQ(LoadedModel::WeightsInMemory(), before + 2000);
    auto held = registry.Acquire("more", "", Wanted);
    ASSERT_TRUE(held.ok());
    ASSERT_TRUE(registry.Unload("more", Wanted).ok());
    EXPECT_EQ(LoadedModel::WeightsInMemory(), before + 2000);
    held->reset();
    EXPECT_EQ(LoadedModel::WeightsInMemory(), before + 1000);
  }
  EXPECT_EQ(LoadedModel::WeightsInMemory(), before);
}

TEST_F(RegistryTest, OneBadFileCostsItselfAlone) {
  fs::copy_file(testing::RepositoryPath("models/edsr-baseline-hiif-fast.safetensors"),
                folder_ / "first.safetensors", fs::copy_options::overwrite_existing);
  ASSERT_EQ(mkfifo((folder_ / "pipe.safetensors").c_str(), 0600), 0);
  fs::create_directories(folder_ / "folder.safetensors");
  fs::create_symlink("/dev/zero", folder_ / "zero.safetensors");
  RegistryOptions options = Options();
  options.load = &LoadedModel::Load;
  ModelRegistry registry(options, nullptr);
  ASSERT_TRUE(registry.Scan().ok());
  registry.LoadAll([] { return false; });
  EXPECT_TRUE(registry.DefaultReady());
  for (const char* name : {"pipe", "folder", "zero"}) {
    const auto status = registry.Get(name);
    ASSERT_TRUE(status.ok());
    EXPECT_EQ(status->state, ModelState::kFailed) << name;
    EXPECT_THAT(status->error, HasSubstr(std::string(name) + ".safetensors"));
    EXPECT_THAT(status->error, Not(HasSubstr(folder_.string())));
    EXPECT_THAT(std::string(registry.Acquire(name, "", Wanted).status().message()),
                Not(HasSubstr(folder_.string())));
  }
}

}  // namespace
}  // namespace hiif::server
