#include "model/upscaler/blended_upscaler.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/upscaler/joined.h"

namespace hiif {
namespace {

enum Part { kFaithful = 0, kSharp = 1 };

struct BlendedContext : JoinedContext {
  BlendedContext(std::vector<std::shared_ptr<const Context>> all, double part_of_sharp)
      : JoinedContext(std::move(all)), strength(static_cast<float>(part_of_sharp)) {}
  const float strength;
};

// Into `out`, which holds what the sharp network says.
void Blend(absl::Span<const float> faithful, float strength, absl::Span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = (1.0f - strength) * faithful[i] + strength * out[i];
  }
}

}  // namespace

WorkCost BlendedUpscaler::Cost(Grid input, Grid grid, const Region& region,
                               const ContextOptions& options) const {
  WorkCost sum = faithful_.Cost(input, grid, region, options);
  AddCost(sharp().Cost(input, grid, region, options), sum);
  return sum;
}

MemoryFootprint BlendedUpscaler::Footprint(Grid input, Grid grid, const Region& region,
                                           const ContextOptions& options) const {
  MemoryFootprint most = faithful_.Footprint(input, grid, region, options);
  AddFootprint(sharp().Footprint(input, grid, region, options), most);
  most.decode_worker += std::min(MemoryFootprint::kTilePixels, region.pixels()) * 3 *
                        static_cast<int64_t>(sizeof(float));
  return most;
}

absl::StatusOr<std::unique_ptr<Encoding>> BlendedUpscaler::StartEncoding(
    std::shared_ptr<const RgbImage> image) const {
  std::vector<std::unique_ptr<Encoding>> parts(kNetworks);
  HIIF_ASSIGN_OR_RETURN(parts[kFaithful], faithful_.StartEncoding(image));
  HIIF_ASSIGN_OR_RETURN(parts[kSharp], sharp().StartEncoding(std::move(image)));
  return std::make_unique<JoinedEncoding>(std::move(parts));
}

absl::StatusOr<std::shared_ptr<const Context>> BlendedUpscaler::MakeContext(
    const Features& any, Grid grid, const ContextOptions& options) const {
  if (!(options.strength >= 0 && options.strength <= 1)) {  // false for NaN
    return absl::InvalidArgumentError(
        absl::StrCat("a strength of ", options.strength, " is not in [0,1]"));
  }
  const auto& features = static_cast<const JoinedFeatures&>(any);
  std::vector<std::shared_ptr<const Context>> parts(kNetworks);
  HIIF_ASSIGN_OR_RETURN(parts[kFaithful],
                        faithful_.MakeContext(*features.parts[kFaithful], grid, options));
  HIIF_ASSIGN_OR_RETURN(parts[kSharp], sharp().MakeContext(*features.parts[kSharp], grid, options));
  return std::make_shared<const BlendedContext>(std::move(parts), options.strength);
}

absl::Status BlendedUpscaler::Render(absl::Span<const RenderTile> tiles) const {
  const auto parts_of = [](const RenderTile& tile, Part part, absl::Span<float> out) {
    return RenderTile{static_cast<const JoinedFeatures&>(*tile.features).parts[part].get(),
                      static_cast<const JoinedContext&>(*tile.context).parts[part].get(),
                      tile.region, out};
  };
  size_t values = 0;
  for (const RenderTile& tile : tiles) values += tile.out.size();
  std::vector<float> faithful(values);
  std::vector<RenderTile> lower;
  std::vector<RenderTile> upper;
  size_t place = 0;
  for (const RenderTile& tile : tiles) {
    lower.push_back(
        parts_of(tile, kFaithful, absl::MakeSpan(faithful).subspan(place, tile.out.size())));
    upper.push_back(parts_of(tile, kSharp, tile.out));
    place += tile.out.size();
  }
  HIIF_RETURN_IF_ERROR(faithful_.Render(lower));
  HIIF_RETURN_IF_ERROR(sharp().Render(upper));
  for (size_t i = 0; i < tiles.size(); ++i) {
    Blend(lower[i].out, static_cast<const BlendedContext&>(*tiles[i].context).strength,
          tiles[i].out);
  }
  return absl::OkStatus();
}

absl::Status BlendedUpscaler::Query(const Features& any, const Context& any_context, Cell cell,
                                    absl::Span<const Coordinate> coordinates,
                                    absl::Span<float> out) const {
  const auto& features = static_cast<const JoinedFeatures&>(any);
  const auto& context = static_cast<const BlendedContext&>(any_context);
  std::vector<float> faithful(out.size());
  HIIF_RETURN_IF_ERROR(faithful_.Query(*features.parts[kFaithful], *context.parts[kFaithful], cell,
                                       coordinates, absl::MakeSpan(faithful)));
  HIIF_RETURN_IF_ERROR(
      sharp().Query(*features.parts[kSharp], *context.parts[kSharp], cell, coordinates, out));
  Blend(faithful, context.strength, out);
  return absl::OkStatus();
}

}  // namespace hiif
