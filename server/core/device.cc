#include "server/core/device.h"

#include <algorithm>
#include <optional>

#include "absl/time/time.h"
#include "base/steady_now.h"
#include "server/core/image_work.h"
#include "server/errors/errors.h"
#include "server/errors/guarded.h"

namespace hiif::server {
namespace {

ImageWork& WorkOf(const scheduling::Assignment& assignment) {
  return *static_cast<ImageWork*>(assignment.job);
}

// The upper and the lower half of a tile.
absl::Status RenderHalves(const Upscaler& upscaler, const RenderTile& tile) {
  const int64_t upper = (tile.region.height + 1) / 2;
  RenderTile half = tile;
  half.region.height = upper;
  half.out = tile.out.subspan(0, half.region.pixels() * 3);
  absl::Status status = upscaler.Render({&half, 1});
  if (!status.ok() || upper == tile.region.height) return status;
  half.region.y += upper;
  half.region.height = tile.region.height - upper;
  half.out = tile.out.subspan(upper * tile.region.width * 3);
  return upscaler.Render({&half, 1});
}

}  // namespace

std::vector<absl::Status> WorkDevice::Run(absl::Span<const scheduling::Assignment> batch) {
  std::vector<absl::Status> results;
  const absl::Status thrown = Guarded([&] {
    results = batch.size() == 1 ? std::vector{Examine(RunOne(batch[0]))} : RunShared(batch);
    return absl::OkStatus();
  });
  if (!thrown.ok()) results.assign(batch.size(), Examine(thrown));
  return results;
}

absl::Status WorkDevice::RunOne(const scheduling::Assignment& assignment) {
  return WorkOf(assignment).Run(assignment.stage, assignment.piece, assignment.threads);
}

std::vector<absl::Status> WorkDevice::RunShared(absl::Span<const scheduling::Assignment> batch) {
  std::vector<absl::Status> results(batch.size());
  std::vector<RenderTile> tiles;
  std::vector<size_t> owners;
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto tile = WorkOf(batch[i]).PrepareTile(batch[i].stage, batch[i].piece);
    if (tile) {
      tiles.push_back(*tile);
      owners.push_back(i);
    } else {
      results[i] = Examine(RunOne(batch[i]));
    }
  }
  if (tiles.empty()) return results;
  // Pieces with the same batch key have the same upscaler.
  const Upscaler& upscaler = WorkOf(batch[owners[0]]).upscaler();
  const absl::Time start = SteadyNow();
  absl::Status all = upscaler.Render(tiles);
  if (absl::IsResourceExhausted(all)) {
    metrics_->OutOfMemory();
    WorkOf(batch[owners[0]]).MakeRoom();
  }
  const absl::Duration each = (SteadyNow() - start) / static_cast<int64_t>(tiles.size());
  for (size_t k = 0; k < tiles.size(); ++k) {
    const scheduling::Assignment& assignment = batch[owners[k]];
    absl::Status status = all;
    // Whose tile it was is not said, so that every one is computed by itself: only the guilty one
    // fails.
    if (!all.ok() && !absl::IsUnavailable(all)) status = RenderHalves(upscaler, tiles[k]);
    ImageWork& work = WorkOf(assignment);
    work.AddTime(Stage::kQuery, each);
    if (status.ok()) status = work.FinishTile(assignment.stage, assignment.piece);
    results[owners[k]] = Examine(status);
  }
  return results;
}

absl::Status WorkDevice::Examine(absl::Status status) {
  if (absl::IsResourceExhausted(status)) {
    metrics_->OutOfMemory();
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonMemory, status.message(),
                           absl::Seconds(5));
  }
  // One with a reason is not the device's.
  if (absl::IsUnavailable(status) && ReasonOf(status).empty()) {
    status = ErrorWithReason(absl::StatusCode::kUnavailable, kReasonDeviceLost, status.message(),
                             absl::Seconds(5));
    on_lost_(status);
  }
  return status;
}

}  // namespace hiif::server
