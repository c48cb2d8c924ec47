// The `reference` backend: LibTorch, operation by operation as the released code; float32 on the
// CPU. Slow, and the judge of the others. Serves every encoder, decoder, ablation and coordinate
// mode.
#ifndef MODEL_UPSCALER_REFERENCE_H_
#define MODEL_UPSCALER_REFERENCE_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/layers/coordinates.h"
#include "model/upscaler/upscaler.h"

namespace hiif {

class ReferenceUpscaler : public Upscaler {
 public:
  static absl::StatusOr<std::unique_ptr<ReferenceUpscaler>> Create(const Checkpoint& checkpoint);

  // As the released evaluation: output rows [first_row, first_row + rows) in one call whose queries
  // are also the attention context. `out`: rows * grid.width * 3 values.
  virtual absl::Status RenderStrip(const Features& features, Grid grid, int64_t first_row,
                                   int64_t rows, absl::Span<float> out) const = 0;

  // The features that the queries gather from, planes of height * width: `freq` for HIIF, the
  // encoder's output for every other. For comparison with recordings.
  virtual std::vector<float> FeaturePlanes(const Features& features) const = 0;
  // CiaoSR's non-local map, likewise; empty for decoders that have none.
  virtual std::vector<float> NonLocalPlanes(const Features& /*features*/) const { return {}; }
};

// Tables of some positions, by the checkpoint's coordinate mode.
struct GridTables {
  AxisTable rows;
  AxisTable columns;
  std::array<float, 2> cell;  // as the decoder takes it
};
// The pixels of a region of an output grid, in which the tables' entry 0 is its first row or
// column.
GridTables MakeRegionTables(const ModelConfig& config, int64_t height, int64_t width, Grid grid,
                            const Region& region);
// The cell of a grid's pixels, as the decoder takes it.
std::array<float, 2> GridCell(const ModelConfig& config, int64_t height, int64_t width, Grid grid);
// Single pixels of a grid: pixel i is entry i of both tables.
GridTables MakePixelTables(const ModelConfig& config, int64_t height, int64_t width, Grid grid,
                           absl::Span<const GridPosition> pixels);
// Arbitrary positions (Query): position i is entry i of both tables.
GridTables MakeQueryTables(const ModelConfig& config, int64_t height, int64_t width, Cell cell,
                           absl::Span<const Coordinate> coordinates);

// Unimplemented where the network's input is not normalised by (x-0.5)/0.5.
absl::Status CheckNormalisation(const ModelConfig& config);
// InvalidArgument where a tile does not lie in its grid or its output has the wrong size.
absl::Status CheckTile(const RenderTile& tile);
// InvalidArgument for empty images and images whose samples do not fit their size.
absl::Status CheckImage(const RgbImage* image);
// InvalidArgument for empty grids and grids smaller than the image.
absl::Status CheckGrid(Grid grid, int64_t height, int64_t width);

}  // namespace hiif

#endif  // MODEL_UPSCALER_REFERENCE_H_
