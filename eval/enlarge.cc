#include "eval/enlarge.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status_macros.h"

namespace hiif::eval {
namespace {

// Calls work(0) ... work(count - 1) on `threads` threads; the first error stops the others.
absl::Status ForEach(int threads, int64_t count, const std::function<absl::Status(int64_t)>& work) {
  std::atomic<int64_t> next = 0;
  absl::Mutex mutex;
  absl::Status failure;
  const auto run = [&] {
    for (int64_t i = next++; i < count; i = next++) {
      const absl::Status status = work(i);
      if (status.ok()) continue;
      next = count;
      absl::MutexLock lock(&mutex);
      failure.Update(status);
    }
  };
  std::vector<std::thread> helpers;
  for (int i = 1; i < threads; ++i) helpers.emplace_back(run);
  run();
  for (std::thread& helper : helpers) helper.join();
  return failure;
}

}  // namespace

absl::StatusOr<EnlargeTimes> EnlargeTiles(const Upscaler& upscaler,
                                          std::shared_ptr<const RgbImage> image, Grid grid,
                                          const EnlargeOptions& options,
                                          const std::function<void(const RenderTile&)>& take) {
  const absl::Time start = absl::Now();
  HIIF_ASSIGN_OR_RETURN(const auto encoding, upscaler.StartEncoding(std::move(image)));
  const int each = std::max(1, options.threads / encoding->blocks());
  HIIF_RETURN_IF_ERROR(ForEach(options.threads, encoding->blocks(), [&](int64_t block) {
    return encoding->EncodeBlock(static_cast<int>(block), each);
  }));
  HIIF_ASSIGN_OR_RETURN(const auto features, encoding->Finish());
  const absl::Time encoded = absl::Now();
  HIIF_ASSIGN_OR_RETURN(const auto context,
                        upscaler.MakeContext(*features, grid, {options.context_samples}));
  const int64_t width = options.tile_columns > 0 ? options.tile_columns : grid.width;
  const int64_t columns = (grid.width + width - 1) / width;
  const int64_t rows = (grid.height + options.tile_rows - 1) / options.tile_rows;
  HIIF_RETURN_IF_ERROR(ForEach(options.threads, rows * columns, [&](int64_t i) {
    const int64_t y = i / columns * options.tile_rows;
    const int64_t x = i % columns * width;
    RenderTile tile{
        features.get(),
        context.get(),
        {x, y, std::min(width, grid.width - x), std::min(options.tile_rows, grid.height - y)},
        {}};
    static thread_local std::vector<float> values;
    values.resize(tile.region.pixels() * 3);
    tile.out = absl::MakeSpan(values);
    const absl::Status status = upscaler.Render({&tile, 1});
    if (status.ok()) take(tile);
    return status;
  }));
  return EnlargeTimes{absl::ToDoubleSeconds(encoded - start),
                      absl::ToDoubleSeconds(absl::Now() - encoded)};
}

absl::StatusOr<std::vector<float>> Enlarge(const Upscaler& upscaler,
                                           std::shared_ptr<const RgbImage> image, Grid grid,
                                           const EnlargeOptions& options) {
  std::vector<float> out(grid.height * grid.width * 3);
  const auto times =
      EnlargeTiles(upscaler, std::move(image), grid, options, [&](const RenderTile& tile) {
        for (int64_t row = 0; row < tile.region.height; ++row) {
          const auto from = tile.out.subspan(row * tile.region.width * 3, tile.region.width * 3);
          std::transform(from.begin(), from.end(),
                         out.begin() + ((tile.region.y + row) * grid.width + tile.region.x) * 3,
                         ToUnit);
        }
      });
  HIIF_RETURN_IF_ERROR(times.status());
  return out;
}

}  // namespace hiif::eval
