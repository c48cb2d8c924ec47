#include "model/upscaler/self_ensemble.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "model/upscaler/joined.h"

namespace hiif {
namespace {

constexpr int kVariants = SelfEnsemble::kVariants;

// One of the eight: columns reversed, then rows reversed, then rows and columns exchanged.
struct Variant {
  explicit Variant(int index)
      : columns((index & 1) != 0), rows((index & 2) != 0), transposed((index & 4) != 0) {}

  Grid Of(Grid size) const { return transposed ? Grid{size.width, size.height} : size; }

  // Where a rectangle of an image of `size` comes to lie.
  Region Of(Region r, Grid size) const {
    if (columns) r.x = size.width - r.x - r.width;
    if (rows) r.y = size.height - r.y - r.height;
    return transposed ? Region{r.y, r.x, r.height, r.width} : r;
  }

  // Index, in the variant's rectangle, of pixel (row, column) of a rectangle of `size`.
  int64_t Index(int64_t row, int64_t column, Grid size) const {
    if (columns) column = size.width - 1 - column;
    if (rows) row = size.height - 1 - row;
    return transposed ? column * size.height + row : row * size.width + column;
  }

  Coordinate Of(Coordinate c) const {
    if (columns) c.column = -c.column;
    if (rows) c.row = -c.row;
    return transposed ? Coordinate{c.column, c.row} : c;
  }

  Cell Of(Cell cell) const { return transposed ? Cell{cell.column, cell.row} : cell; }

  bool columns;
  bool rows;
  bool transposed;
};

std::shared_ptr<const RgbImage> Turn(const std::shared_ptr<const RgbImage>& image, int index) {
  if (index == 0) return image;
  const Variant variant(index);
  const Grid size{image->height, image->width};
  auto turned = std::make_shared<RgbImage>();
  turned->type = image->type;
  turned->height = variant.Of(size).height;
  turned->width = variant.Of(size).width;
  turned->samples.resize(image->samples.size());
  const int64_t pixel = 3 * SampleBytes(image->type);
  for (int64_t row = 0; row < size.height; ++row) {
    for (int64_t column = 0; column < size.width; ++column) {
      std::memcpy(turned->samples.data() + variant.Index(row, column, size) * pixel,
                  image->samples.data() + (row * size.width + column) * pixel, pixel);
    }
  }
  return turned;
}

}  // namespace

WorkCost SelfEnsemble::Cost(Grid input, Grid grid, const Region& region,
                            const ContextOptions& options) const {
  WorkCost sum;
  for (int i = 0; i < kVariants; ++i) {
    const Variant variant(i);
    AddCost(inner().Cost(variant.Of(input), variant.Of(grid), variant.Of(region, grid), options),
            sum);
  }
  return sum;
}

MemoryFootprint SelfEnsemble::Footprint(Grid input, Grid grid, const Region& region,
                                        const ContextOptions& options) const {
  MemoryFootprint most = inner().Footprint(input, grid, region, options);
  for (int i = 1; i < kVariants; ++i) {
    const Variant variant(i);
    AddFootprint(
        inner().Footprint(variant.Of(input), variant.Of(grid), variant.Of(region, grid), options),
        most);
    most.features += input.height * input.width * 3 * SampleBytes(SampleType::kF32);  // turned
  }
  most.decode_worker += std::min(MemoryFootprint::kTilePixels, region.pixels()) * 3 *
                        static_cast<int64_t>(sizeof(float));
  return most;
}

absl::StatusOr<std::unique_ptr<Encoding>> SelfEnsemble::StartEncoding(
    std::shared_ptr<const RgbImage> image) const {
  std::vector<std::unique_ptr<Encoding>> parts(kVariants);
  for (int i = 0; i < kVariants; ++i) {
    HIIF_ASSIGN_OR_RETURN(parts[i], inner().StartEncoding(Turn(image, i)));
  }
  return std::make_unique<JoinedEncoding>(std::move(parts));
}

absl::StatusOr<std::shared_ptr<const Context>> SelfEnsemble::MakeContext(
    const Features& any, Grid grid, const ContextOptions& options) const {
  const auto& features = static_cast<const JoinedFeatures&>(any);
  std::vector<std::shared_ptr<const Context>> parts(kVariants);
  for (int i = 0; i < kVariants; ++i) {
    const Variant variant(i);
    ContextOptions turned = options;
    if (options.strip) turned.strip = variant.Of(*options.strip, grid);
    HIIF_ASSIGN_OR_RETURN(parts[i],
                          inner().MakeContext(*features.parts[i], variant.Of(grid), turned));
  }
  return std::make_shared<const JoinedContext>(std::move(parts));
}

absl::Status SelfEnsemble::Render(absl::Span<const RenderTile> tiles) const {
  std::vector<float> turned;
  for (const RenderTile& tile : tiles) {
    const auto& features = static_cast<const JoinedFeatures&>(*tile.features);
    const auto& context = static_cast<const JoinedContext&>(*tile.context);
    const Grid size{tile.region.height, tile.region.width};
    if (static_cast<int64_t>(tile.out.size()) != tile.region.pixels() * 3)
      return absl::InvalidArgumentError("the output of a tile has the wrong size");
    turned.resize(tile.out.size());
    std::fill(tile.out.begin(), tile.out.end(), 0.0f);
    for (int i = 0; i < kVariants; ++i) {
      const Variant variant(i);
      const RenderTile one{features.parts[i].get(), context.parts[i].get(),
                           variant.Of(tile.region, context.grid()), absl::MakeSpan(turned)};
      HIIF_RETURN_IF_ERROR(inner().Render({&one, 1}));
      for (int64_t row = 0; row < size.height; ++row) {
        for (int64_t column = 0; column < size.width; ++column) {
          const float* from = turned.data() + variant.Index(row, column, size) * 3;
          float* to = tile.out.data() + (row * size.width + column) * 3;
          for (int c = 0; c < 3; ++c) to[c] += from[c] / kVariants;
        }
      }
    }
  }
  return absl::OkStatus();
}

absl::Status SelfEnsemble::Query(const Features& any, const Context& any_context, Cell cell,
                                 absl::Span<const Coordinate> coordinates,
                                 absl::Span<float> out) const {
  if (out.size() != coordinates.size() * 3)
    return absl::InvalidArgumentError("the output of a query has the wrong size");
  const auto& features = static_cast<const JoinedFeatures&>(any);
  const auto& context = static_cast<const JoinedContext&>(any_context);
  std::vector<Coordinate> turned(coordinates.size());
  std::vector<float> values(out.size());
  std::fill(out.begin(), out.end(), 0.0f);
  for (int i = 0; i < kVariants; ++i) {
    const Variant variant(i);
    for (size_t k = 0; k < turned.size(); ++k) turned[k] = variant.Of(coordinates[k]);
    HIIF_RETURN_IF_ERROR(inner().Query(*features.parts[i], *context.parts[i], variant.Of(cell),
                                       turned, absl::MakeSpan(values)));
    for (size_t k = 0; k < out.size(); ++k) out[k] += values[k] / kVariants;
  }
  return absl::OkStatus();
}

}  // namespace hiif
