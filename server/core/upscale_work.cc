#include "server/core/upscale_work.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/types/span.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "imaging/tile.h"
#include "imaging/writer.h"

namespace hiif::server {

UpscaleWork::UpscaleWork(const WorkEnvironment& environment, WorkInput input, Plan plan,
                         int tiles_ahead)
    : ImageWork(environment, std::move(input)),
      plan_(std::move(plan)),
      tiles_ahead_(tiles_ahead),
      strips_(plan_) {}

scheduling::Stage UpscaleWork::FinalStage() {
  scheduling::Stage stage;
  stage.name = kQueryStage;
  stage.costs = {strips_.count(), strips_.TotalCost(variants()),
                 [this](int64_t piece) { return strips_.Cost(piece, variants()); }};
  stage.batch_key = 2 * static_cast<uint64_t>(model().serial()) + (input_.self_ensemble ? 1 : 0);
  stage.max_ahead = tiles_ahead_ * strips_.per_tile();
  return stage;
}

int64_t UpscaleWork::Bytes() const {
  const int64_t tile = std::min<int64_t>(plan_.tile_size, plan_.region.width) *
                       std::min<int64_t>(plan_.tile_size, plan_.region.height);
  int64_t bytes = PreparationBytes() + (tiles_ahead_ + 1) * tile * plan_.pixel_bytes() +
                  2 * Strips::kPixels * 3 * static_cast<int64_t>(sizeof(float));
  if (plan_.format) {
    // A row of tiles, and what the format's writer keeps.
    const int64_t rows = std::min<int64_t>(plan_.tile_size, plan_.region.height);
    bytes += rows * plan_.region.width * plan_.pixel_bytes() +
             WriterBytes(*plan_.format, {plan_.region.height, plan_.region.width}, plan_.channels,
                         plan_.type);
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
    HIIF_RETURN_IF_ERROR(upscaler().Render({&tile, 1}));
  }
  AddTime(Stage::kQuery, SteadyNow() - start);
  return Compose(strip, network);
}

std::optional<RenderTile> UpscaleWork::PrepareTile(int stage, int64_t piece) {
  if (!IsFinal(stage)) return std::nullopt;
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
  Wake();
  return absl::OkStatus();
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
  environment_.scheduler->Credit(id_, strips_.per_tile());
  return samples;
}

}  // namespace hiif::server
