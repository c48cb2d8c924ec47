// Requests over a FakeUpscaler, with the scheduler, the device, the cache and the metrics of a
// server, and no transport.
#ifndef TESTS_TESTING_WORK_FIXTURE_H_
#define TESTS_TESTING_WORK_FIXTURE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "scheduling/clock.h"
#include "scheduling/scheduler.h"
#include "server/core/device.h"
#include "server/core/upscale_work.h"
#include "tests/testing/fake_upscaler.h"

namespace hiif::testing {

class FakeCall : public server::Call {
 public:
  absl::Status Alive() const override {
    return dead_ ? absl::CancelledError("the client is gone") : absl::OkStatus();
  }
  void WhenDead(std::function<void()> callback) override {
    absl::MutexLock lock(&mutex_);
    when_dead_ = std::move(callback);
  }
  absl::Time arrival() const override { return absl::UnixEpoch(); }
  absl::Time deadline() const override { return absl::InfiniteFuture(); }
  const std::string& caller() const override { return name_; }
  const std::string& request_id() const override { return name_; }

  void Die() {
    dead_ = true;
    absl::MutexLock lock(&mutex_);
    if (when_dead_) when_dead_();
  }

 private:
  const std::string name_ = "somebody";
  std::atomic<bool> dead_ = false;
  mutable absl::Mutex mutex_;
  std::function<void()> when_dead_ ABSL_GUARDED_BY(mutex_);
};

class WorkFixture : public ::testing::Test {
 protected:
  // workers 0: pieces run where the test calls scheduler_->Step() or device_.Run().
  void Start(const scheduling::SchedulerOptions& options) {
    scheduler_ = std::make_unique<scheduling::Scheduler>(options, &device_, &clock_);
    environment_.scheduler = scheduler_.get();
    environment_.cache = &cache_;
    environment_.metrics = &metrics_;
    environment_.workers = std::max(1, options.workers);
    server::ModelFacts facts;
    facts.digest = "digest";
    facts.weights_bytes = 1000;
    facts.pace = {.encoded_work = 1e4, .context_samples = 1e6, .decoded_pixels = 1e6};
    model_ = std::make_shared<const server::LoadedModel>("fake", facts,
                                                         std::make_unique<FakeUpscaler>(&script_));
    metrics_.AddModel("fake");
    for (const server::Stage stage : server::kAllStages)
      scheduler_->Calibrate("fake", server::StageName(stage), 1e6);
  }

  // A grey picture of height x width, enlarged twice, in tiles of 32. `image` names its content.
  std::shared_ptr<server::UpscaleWork> Work(int height, int width, const std::string& image,
                                            int tiles_ahead = 4) {
    v1::ImageSource& source = sources_.emplace_back();
    source.mutable_raw()->set_height(height);
    source.mutable_raw()->set_width(width);
    source.mutable_raw()->set_channels(3);
    source.mutable_raw()->set_samples(std::string(size_t{3} * height * width, '\x80'));
    return Over(server::ImageInput::FromSource(source, {}), height, width, image, tiles_ahead);
  }
  // The same of any picture of that size.
  std::shared_ptr<server::UpscaleWork> Over(absl::StatusOr<server::ImageInput> input, int height,
                                            int width, const std::string& image,
                                            int tiles_ahead = 4) {
    EXPECT_TRUE(input.ok()) << input.status();
    plan_.input = {height, width};
    plan_.output = {2 * height, 2 * width};
    plan_.region = {0, 0, 2 * width, 2 * height};
    plan_.tile_size = 32;
    return std::make_shared<server::UpscaleWork>(
        environment_,
        server::WorkInput{model_, *std::move(input), image, false, {}, plan_.output, plan_.region},
        plan_, tiles_ahead);
  }

  static absl::Status Submit(const std::shared_ptr<server::UpscaleWork>& work,
                             const server::Call& call) {
    return work->Submit(call, 0, work->Bytes()).status();
  }

  // Whether a tile of plan_ holds what FakeUpscaler computes.
  ::testing::AssertionResult Right(int64_t index, const std::string& samples) const {
    const Region tile = plan_.Tile(index);
    if (static_cast<int64_t>(samples.size()) != tile.pixels() * 3)
      return ::testing::AssertionFailure() << "tile " << index << " has " << samples.size();
    size_t i = 0;
    for (int64_t y = tile.y; y < tile.y + tile.height; ++y) {
      for (int64_t x = tile.x; x < tile.x + tile.width; ++x) {
        for (int c = 0; c < 3; ++c, ++i) {
          if (static_cast<uint8_t>(samples[i]) != FakeUpscaler::Sample(y, x, c))
            return ::testing::AssertionFailure() << "tile " << index << ", " << y << ", " << x;
        }
      }
    }
    return ::testing::AssertionSuccess();
  }

  FakeScript script_;
  server::Metrics metrics_{"cpu"};
  server::FeatureCache cache_{1 << 20};
  std::atomic<int> lost_ = 0;
  server::WorkDevice device_{&metrics_, [this](const absl::Status&) { ++lost_; }};
  scheduling::SteadyClock clock_;
  std::shared_ptr<const server::LoadedModel> model_;
  std::list<v1::ImageSource> sources_;
  server::Plan plan_;
  server::WorkEnvironment environment_;
  std::unique_ptr<scheduling::Scheduler> scheduler_;
};

}  // namespace hiif::testing

#endif  // TESTS_TESTING_WORK_FIXTURE_H_
