// Internal to the CLIT decoder: which pixels of the stages' grids a piece of queries looks at. Of a
// grid that grows with 16^t only these are computed.
#ifndef MODEL_DECODERS_CLIT_STAGE_H_
#define MODEL_DECODERS_CLIT_STAGE_H_

#include "model/decoders/clit_grid.h"
#include "model/decoders/point_decoder.h"

namespace hiif {

// Stage t of a piece of Q queries. Grid pixels are numbered as they are met, U of them; "samples"
// are what their 3x3 neighbourhoods hold, S of them.
struct ClitStage {
  Grid grid;
  at::Tensor pixels;         // (P) low-resolution pixels that are read, a multiple of kRows
  at::Tensor sample_index;   // (S,4) places in `pixels`, -1: outside; stage 0: (S,1)
  at::Tensor sample_weight;  // (S,4,1); stage 0: undefined, the features themselves
  at::Tensor patch;          // (U,9) samples, row-major, -1: outside the grid
  at::Tensor key;            // (Q,side^2) grid pixels, rows outer, -1: outside
  at::Tensor row_distance;   // (Q,side) twice in pixels of the grid
  at::Tensor column_distance;
  at::Tensor corner;         // (Q,4) grid pixels of the query's bilinear sample, -1: outside
  at::Tensor corner_weight;  // (Q,4,1)
  at::Tensor cell;           // (Q,2)
};

// Stage t of some points. U is made a multiple of kRows by repeating the last. The tensors are
// where `like` is.
ClitStage MakeClitStage(int t, int radius, absl::Span<const QueryPoint> points,
                        const at::Tensor& like);

}  // namespace hiif

#endif  // MODEL_DECODERS_CLIT_STAGE_H_
