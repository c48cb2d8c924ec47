#include "server/core/plan.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "imaging/geometry.h"
#include "server/errors/errors.h"

namespace hiif::server {
namespace {

// A tile narrower than the kernels' own blocks would waste them.
constexpr int kTileStep = 16;

absl::StatusOr<Grid> OutputGrid(const UpscaleOrder& order, Grid input) {
  if (const auto* factors = std::get_if<ScaleFactors>(&order.size)) {
    auto grid = GridFromScale(input, factors->rx, factors->ry);
    if (!grid.ok()) return UnderField("parameters.scale", grid.status());
    return grid;
  }
  const auto& target = std::get<TargetSize>(order.size);
  auto grid = GridFromTarget(input, target.width, target.height);
  if (!grid.ok()) return UnderField("parameters.target", grid.status());
  return grid;
}

// Of `count` from `first` on, both as the client has them: their sum may be beyond int64_t.
uint64_t Last(int64_t first, int64_t count) {
  return static_cast<uint64_t>(first) + (static_cast<uint64_t>(count) - 1);
}

absl::StatusOr<Region> OutputRegion(const UpscaleOrder& order, Grid output) {
  if (!order.region) return Region{0, 0, output.width, output.height};
  const Region& region = *order.region;
  // Written so that nothing overflows.
  if (region.x >= output.width || region.width > output.width - region.x)
    return InvalidField("parameters.region",
                        absl::StrFormat("columns %d to %d are not inside the output's 0 to %d",
                                        region.x, Last(region.x, region.width), output.width - 1));
  if (region.y >= output.height || region.height > output.height - region.y)
    return InvalidField(
        "parameters.region",
        absl::StrFormat("rows %d to %d are not inside the output's 0 to %d", region.y,
                        Last(region.y, region.height), output.height - 1));
  return region;
}

// The largest side up to `wanted` at which a tile fits into a message.
int TileSize(int wanted, int64_t pixel_bytes) {
  const int64_t pixels = kMaxPayloadBytes / pixel_bytes;
  const int most = static_cast<int>(std::sqrt(static_cast<double>(pixels)));
  return wanted <= most ? wanted : most / kTileStep * kTileStep;
}

}  // namespace

Region Plan::Tile(int64_t index) const {
  const int64_t x = index % columns() * tile_size;
  const int64_t y = index / columns() * tile_size;
  return {region.x + x, region.y + y, std::min<int64_t>(tile_size, region.width - x),
          std::min<int64_t>(tile_size, region.height - y)};
}

absl::StatusOr<Plan> MakePlan(const UpscaleOrder& order, const ImageFacts& image,
                              const Limits& limits) {
  Plan plan;
  plan.input = image.size;
  plan.channels = image.channels;
  HIIF_ASSIGN_OR_RETURN(plan.output, OutputGrid(order, image.size));
  HIIF_ASSIGN_OR_RETURN(plan.region, OutputRegion(order, plan.output));
  plan.type = order.type.value_or(image.type);
  if (plan.region.pixels() > limits.max_output_pixels)
    return InvalidField(
        order.region ? "parameters.region" : "parameters.size",
        absl::StrFormat(
            "%d x %d are %d pixels, this server's limit is %d; ask for a smaller output "
            "or for regions of it",
            plan.region.width, plan.region.height, plan.region.pixels(), limits.max_output_pixels));
  plan.file = order.file;
  if (plan.file) {
    plan.warnings = RoundingWarnings(plan.file->format, plan.type);
    plan.type = StoredType(plan.file->format, plan.type);
    HIIF_RETURN_IF_ERROR(
        AtField("parameters.encoded.format",
                CheckWritable(plan.file->format, {plan.region.height, plan.region.width})));
  }
  plan.tile_size =
      TileSize(order.tile_size == 0 ? limits.tile_size : order.tile_size, plan.pixel_bytes());
  plan.first_tile = order.first_tile;
  if (plan.first_tile > plan.tiles())
    return InvalidField(
        "parameters.first_tile",
        absl::StrFormat("%d is behind the last tile; there are %d", plan.first_tile, plan.tiles()));
  return plan;
}

std::string ResumeToken(const Plan& plan, bool convert_to_srgb, const ModelUse& use,
                        absl::string_view image_digest, absl::string_view weights_digest,
                        absl::string_view backend, absl::string_view precision,
                        int64_t context_samples) {
  return Sha256(absl::StrCat(
      "hiif.v1 resume 1|", image_digest, "|", weights_digest, "|", backend, "|", precision, "|",
      context_samples, "|", plan.output.width, "x", plan.output.height, "|", plan.region.x, ",",
      plan.region.y, ",", plan.region.width, ",", plan.region.height, "|", plan.tile_size, "|",
      plan.channels, "|", static_cast<int>(plan.type), "|", static_cast<int>(convert_to_srgb), "|",
      static_cast<int>(use.self_ensemble),
      use.strength == 1 ? "" : absl::StrFormat("|%.17g", use.strength)));
}

}  // namespace hiif::server
