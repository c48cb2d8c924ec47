#include "server/models/warm_up.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/status_macros.h"
#include "base/steady_now.h"

namespace hiif::server {
namespace {

constexpr int64_t kSide = 32;       // of the image that touches everything
constexpr int64_t kTimedSide = 96;  // of the one that is timed: more would not be more exact
constexpr int64_t kScale = 2;
constexpr int64_t kTile = 64;

struct Passed {
  absl::Duration encode, context, decode;
  int64_t samples = 0;
  int64_t decoded = 0;
};

// An image of side x side through every stage, with `tiles` tiles of 64 x 64.
absl::StatusOr<Passed> Pass(const Upscaler& upscaler, int64_t side, int tiles) {
  auto image = std::make_shared<RgbImage>();
  image->height = image->width = side;
  image->samples.assign(side * side * 3, 128);
  Passed passed;
  const absl::Time start = SteadyNow();
  HIIF_ASSIGN_OR_RETURN(const auto features, upscaler.Encode(image));
  const absl::Time encoded = SteadyNow();
  const Grid grid{kScale * side, kScale * side};
  HIIF_ASSIGN_OR_RETURN(const auto context, upscaler.MakeContext(*features, grid, {}));
  const absl::Time sampled = SteadyNow();
  std::vector<float> out(kTile * kTile * 3);
  for (int i = 0; i < tiles; ++i) {
    const RenderTile tile{features.get(), context.get(), Region{i * 32, 0, kTile, kTile},
                          absl::MakeSpan(out)};
    HIIF_RETURN_IF_ERROR(upscaler.Render({&tile, 1}));
  }
  passed.encode = encoded - start;
  passed.context = sampled - encoded;
  passed.decode = SteadyNow() - sampled;
  passed.samples = std::min<int64_t>(grid.height * grid.width, kDefaultContextSamples);
  passed.decoded = tiles * kTile * kTile;
  return passed;
}

double PerSecond(double count, absl::Duration time) {
  return count / absl::ToDoubleSeconds(std::max(time, absl::Microseconds(1)));
}

}  // namespace

absl::StatusOr<Pace> WarmUp(const Upscaler& upscaler) {
  HIIF_ASSIGN_OR_RETURN(const Passed first, Pass(upscaler, kSide, 1));
  const bool slow = first.decode > absl::Milliseconds(300);
  HIIF_ASSIGN_OR_RETURN(const Passed timed, Pass(upscaler, kTimedSide, slow ? 1 : 3));
  const Grid size{kTimedSide, kTimedSide};
  const WorkCost cost = upscaler.Cost(size, size, {0, 0, kTimedSide, kTimedSide}, {});
  return Pace{PerSecond(cost.encode_total(), timed.encode),
              PerSecond(static_cast<double>(timed.samples), timed.context),
              PerSecond(static_cast<double>(timed.decoded), timed.decode)};
}

}  // namespace hiif::server
