#include "server/core/upscale_work.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/types/span.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "imaging/tile.h"
#include "imaging/writer.h"

namespace hiif::server {
namespace {

// What a core encodes in a second of formats that are written whole, about.
constexpr double kPixelsWrittenPerSecond = 1e6;

// Says every second that work is getting on, where an encoder cannot: for so long at most, that one
// that hangs is found out.
class BeatFor {
 public:
  BeatFor(scheduling::Scheduler* scheduler, absl::Duration most)
      : thread_([this, scheduler, most] { Beat(*scheduler, SteadyNow() + most); }) {}
  ~BeatFor() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void Beat(scheduling::Scheduler& scheduler, absl::Time end) {
    // Not Abseil's, which wait by the wall clock: were that set back, there would be no beat.
    std::unique_lock lock(mutex_);
    while (SteadyNow() < end &&
           !changed_.wait_for(lock, std::chrono::seconds(1), [this] { return over_; }))
      scheduler.Beat();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace

UpscaleWork::UpscaleWork(const WorkEnvironment& environment, WorkInput input, Plan plan,
                         int tiles_ahead)
    : ImageWork(environment, std::move(input)),
      plan_(std::move(plan)),
      tiles_ahead_(tiles_ahead),
      strips_(plan_, variants()),
      next_tile_(plan_.first_tile) {}

scheduling::Stage UpscaleWork::FinalStage() {
  scheduling::Stage stage;
  stage.name = StageName(Stage::kQuery);
  stage.costs = {strips_.count(), strips_.TotalCost(),
                 [this](int64_t piece) { return strips_.Cost(piece); }};
  stage.batch_key = ModelUse::kWays * static_cast<uint64_t>(model().serial()) + input_.use.way();
  stage.max_ahead = tiles_ahead_ * strips_.per_tile();
  return stage;
}

int64_t UpscaleWork::Bytes() const {
  const int64_t tile = std::min<int64_t>(plan_.tile_size, plan_.region.width) *
                       std::min<int64_t>(plan_.tile_size, plan_.region.height);
  int64_t bytes = PreparationBytes() + (tiles_ahead_ + 1) * tile * plan_.pixel_bytes() +
                  2 * Strips::kPixels * 3 * static_cast<int64_t>(sizeof(float));
  if (plan_.file) {
    // A row of tiles, its bytes, and what the format's writer keeps.
    const int64_t rows = std::min<int64_t>(plan_.tile_size, plan_.region.height);
    bytes += 2 * rows * plan_.region.width * plan_.pixel_bytes() +
             WriterBytes(plan_.file->format, {plan_.region.height, plan_.region.width},
                         plan_.channels, plan_.type);
  }
  return bytes;
}

absl::Status UpscaleWork::RunFinal(int64_t piece) {
  const Strip strip = strips_[piece];
  if (cancelled()) return absl::CancelledError("cancelled");
  // Kept by the thread: a strip's values are taken up by the next one.
  static thread_local std::vector<float> network;
  network.resize(strip.region.pixels() * 3);
  const absl::Time start = SteadyNow();
  if (strip.region.pixels() > 0) {
    const RenderTile tile{features_.get(), context_.get(), strip.region, absl::MakeSpan(network)};
    HIIF_RETURN_IF_ERROR(WithRoom([&] { return upscaler().Render({&tile, 1}); }));
  }
  AddTime(Stage::kQuery, SteadyNow() - start);
  return Compose(strip, network);
}

std::optional<RenderTile> UpscaleWork::PrepareTile(int stage, int64_t piece) {
  if (stage != final_stage()) return std::nullopt;
  const Strip strip = strips_[piece];
  if (strip.region.pixels() == 0) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  std::vector<float>& network = shared_[piece];
  network.resize(strip.region.pixels() * 3);
  return RenderTile{features_.get(), context_.get(), strip.region, absl::MakeSpan(network)};
}

absl::Status UpscaleWork::FinishTile(int, int64_t piece) {
  std::vector<float> network;
  {
    absl::MutexLock lock(&mutex_);
    network = std::move(shared_.extract(piece).mapped());
  }
  return Compose(strips_[piece], network);
}

absl::Status UpscaleWork::Compose(const Strip& strip, absl::Span<const float> network) {
  const absl::Time start = SteadyNow();
  std::shared_ptr<const Picture> picture;
  Output* output = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    picture = picture_;
    auto [entry, inserted] = outputs_.try_emplace(strip.tile);
    output = &entry->second;  // stays where it is until it is taken, which waits for every strip
    if (inserted) {
      output->samples.resize(plan_.Tile(strip.tile).pixels() * plan_.pixel_bytes());
      output->strips_left = strips_.per_tile();
    }
  }
  if (strip.region.pixels() > 0) {
    auto* out = reinterpret_cast<uint8_t*>(output->samples.data()) + strip.offset;
    HIIF_RETURN_IF_ERROR(ComposeTile(*picture, plan_.output, strip.region, network, plan_.type,
                                     {out, static_cast<size_t>(strip.bytes)}));
  }
  AddTime(Stage::kSend, SteadyNow() - start);
  {
    absl::MutexLock lock(&mutex_);
    if (--output->strips_left > 0) return absl::OkStatus();
  }
  if (plan_.file) return EncodeTiles();
  Wake();
  return absl::OkStatus();
}

absl::Status UpscaleWork::EncodeTiles() {
  bool mine = false;
  while (true) {
    std::string samples;
    std::shared_ptr<const Picture> picture;
    {
      absl::MutexLock lock(&mutex_);
      if (bytes_.busy && !mine) return absl::OkStatus();
      const auto next = outputs_.find(next_tile_);
      bytes_.busy = mine = next != outputs_.end() && next->second.strips_left == 0;
      if (!mine) return absl::OkStatus();
      samples = std::move(outputs_.extract(next).mapped().samples);
      picture = picture_;
    }
    const absl::Time start = SteadyNow();
    if (file_ == nullptr) {
      HIIF_ASSIGN_OR_RETURN(
          file_, EncodedFile::Create(plan_, *picture, [this] { return !StillWanted(); }));
      absl::MutexLock lock(&mutex_);
      bytes_.warnings = file_->warnings();
    }
    HIIF_RETURN_IF_ERROR(file_->AddTile(next_tile_, samples));
    AddTime(Stage::kFile, SteadyNow() - start);
    const int64_t pixels = plan_.Tile(next_tile_).pixels();
    environment_.metrics->TileSent(pixels);
    Publish(file_->Take(), strips_.per_tile(), pixels, /*done=*/false);
    absl::MutexLock lock(&mutex_);
    ++next_tile_;
  }
}

// Two pieces: the second waits until the handler has taken everything, and sent the tiles, so that
// what it has not is counted as this job's.
std::optional<scheduling::Stage> UpscaleWork::LastStage() {
  scheduling::Stage stage;
  stage.name = StageName(plan_.file ? Stage::kFile : Stage::kSend);
  stage.uncut = plan_.file && WrittenWhole(plan_.file->format);
  const auto pixels = static_cast<double>(stage.uncut ? plan_.region.pixels() : 0);
  stage.costs = {CostOf(pixels / kPixelsWrittenPerSecond), 1};
  stage.max_ahead = 1;
  return stage;
}

absl::Status UpscaleWork::RunLast(int64_t piece) {
  if (piece > 0 || !plan_.file) return absl::OkStatus();
  const absl::Time start = SteadyNow();
  std::optional<BeatFor> beating;
  if (WrittenWhole(plan_.file->format))
    beating.emplace(environment_.scheduler,
                    absl::Seconds(10) + absl::Microseconds(10) * plan_.region.pixels());
  HIIF_RETURN_IF_ERROR(file_->Finish());
  AddTime(Stage::kFile, SteadyNow() - start);
  Publish(file_->Take(), 0, 0, /*done=*/true);
  file_.reset();
  return absl::OkStatus();
}

void UpscaleWork::Publish(std::string bytes, int64_t strips, int64_t pixels, bool done) {
  {
    absl::MutexLock lock(&mutex_);
    if (bytes_.pending.empty()) {
      bytes_.pending = std::move(bytes);
    } else {
      bytes_.pending += bytes;
    }
    bytes_.uncredited += strips;
    bytes_.pixels += pixels;
    bytes_.done = done;
  }
  Wake();
}

absl::StatusOr<std::string> UpscaleWork::TakeBytes(const Call& call) {
  while (true) {
    HIIF_RETURN_IF_ERROR(WaitUntil(call, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return !bytes_.pending.empty() || bytes_.uncredited > 0 || bytes_.done;
    }));
    std::string bytes;
    int64_t credit = 0;
    bool done = false;
    {
      absl::MutexLock lock(&mutex_);
      bytes = std::exchange(bytes_.pending, {});
      credit = std::exchange(bytes_.uncredited, 0);
      done = bytes_.done;
    }
    if (credit > 0) environment_.scheduler->Credit(id_, final_stage(), credit);
    if (done && bytes.empty()) environment_.scheduler->Credit(id_, final_stage() + 1, 1);
    if (done || !bytes.empty()) return bytes;
  }
}

void UpscaleWork::TilesSent() { environment_.scheduler->Credit(id_, final_stage() + 1, 1); }

int64_t UpscaleWork::FilePixels() {
  absl::MutexLock lock(&mutex_);
  return bytes_.pixels;
}

std::vector<std::string> UpscaleWork::FileWarnings() {
  absl::MutexLock lock(&mutex_);
  return bytes_.warnings;
}

absl::StatusOr<std::string> UpscaleWork::TakeTile(int64_t index, const Call& call) {
  HIIF_RETURN_IF_ERROR(WaitUntil(call, [this, index]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const auto output = outputs_.find(index);
    return output != outputs_.end() && output->second.strips_left == 0;
  }));
  std::string samples;
  {
    absl::MutexLock lock(&mutex_);
    samples = std::move(outputs_.extract(index).mapped().samples);
  }
  environment_.scheduler->Credit(id_, final_stage(), strips_.per_tile());
  return samples;
}

}  // namespace hiif::server
