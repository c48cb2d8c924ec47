// What a request costs a model, from sizes alone, before it is begun: work and memory.
#ifndef MODEL_COST_COST_H_
#define MODEL_COST_COST_H_

#include <cstdint>
#include <vector>

#include "base/image.h"
#include "model/config.h"
#include "model/cost/plan.h"

namespace hiif {

// Multiply-adds of the products. The kinds run at different speeds (convolutions by LibTorch,
// products by the engine's kernels): measure each by itself.
struct WorkCost {
  std::vector<double> encode;  // of each block of Encoding, halos included
  double context = 0;
  double coordinate = 0;  // of one output pixel of the region, its share of projections included
  double decode = 0;      // of the region: its pixels times `coordinate`

  double encode_total() const;
  double total() const { return encode_total() + context + decode; }
};

// Bytes, at most. The image given to StartEncoding() is the caller's and not counted, nor is what
// Render() writes into.
struct MemoryFootprint {
  int64_t weights = 0;   // of the model, as long as it is loaded
  int64_t features = 0;  // from StartEncoding() on: latent codes
  int64_t context = 0;
  // Of a worker, while it works: on its largest block, on the context's sample, on a tile of at
  // most kTilePixels.
  int64_t encode_worker = 0;
  int64_t context_worker = 0;
  int64_t decode_worker = 0;
  // Workers that can be at it at the same time, at most.
  int64_t encode_blocks = 1;
  int64_t decode_tiles = 1;

  static constexpr int64_t kTilePixels = 16384;
  // Of one request by `workers` workers, without the weights.
  int64_t Peak(int workers) const;
  // The same where the features are held already: of context and tiles alone.
  int64_t RenderPeak(int workers) const;
};

// What an engine does and holds for one of each.
struct EngineCost {
  double projection = 0;  // multiply-adds of a low-resolution pixel that is asked for
  double coordinate = 0;  // of an output pixel, its neighbours projected
  double sample = 0;      // of a sample of the context, its neighbours projected
  double fold = 0;        // of a context, beside its samples

  int64_t weights_bytes = 0;
  int value_bytes = 4;          // of a value between the encoder's layers
  bool on_device = false;       // the encoder is on a GPU
  int64_t pixel_bytes = 0;      // of Features, a pixel
  int64_t projected_bytes = 0;  // of a projected pixel
  int64_t query_bytes = 0;      // of an output pixel of a call
  int64_t sample_bytes = 0;     // of a sample that is kept
  int64_t context_bytes = 0;    // of Context
  int64_t call_bytes = 0;       // buffers of a call, whatever its size
  int64_t call_pixels = 0;      // low-resolution pixels of a call, at most
  int64_t call_queries = 0;     // output pixels of a call, at most; 0: no bound

  std::vector<double> parts;  // multiply-adds of each of Engine::parts()
  int64_t part_bytes = 0;     // while one is made, at most
};

// `plan`: of the image; `samples`: as ContextOptions has it. The region lies in the grid.
WorkCost CostOf(const ModelConfig& config, const EngineCost& engine, const EncodingPlan& plan,
                Grid grid, const Region& region, int64_t samples);
MemoryFootprint FootprintOf(const ModelConfig& config, const EngineCost& engine,
                            const EncodingPlan& plan, Grid grid, const Region& region,
                            int64_t samples);

// The work of a decoder as it is written, and of HIIF by the algebra of model.md 2.3.
EngineCost WrittenCost(const ModelConfig& config, Grid size, Grid grid);
EngineCost FoldedCost(const ModelConfig& config);

}  // namespace hiif

#endif  // MODEL_COST_COST_H_
