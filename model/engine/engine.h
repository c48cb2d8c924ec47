// How the decoder is computed, and where: an engine takes latent codes and queries to colours. It
// knows nothing of grids, regions, tiles, samples, residuals and what is to be checked: that is
// Upscaler's (model/upscaler). Engines may throw what LibTorch and the allocator throw; Upscaler
// catches it.
//
// A query's result depends on its image, its attention and itself alone: not, to the last bit, on
// what shares its group or its call.
#ifndef MODEL_ENGINE_ENGINE_H_
#define MODEL_ENGINE_ENGINE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/cost/cost.h"
#include "model/cost/plan.h"
#include "model/hiif/queries.h"

namespace hiif {

// How queries are best put together.
struct CallShape {
  int64_t groups = 1;     // of a call, at most
  int64_t queries = 0;    // of a group, at most; 0: as `pixels` allows
  int64_t rows = 0;       // output rows of a group, so that its neighbours are few; 0: any
  int64_t columns = 0;    // output columns of a group; 0: queries / rows
  int64_t pixels = 0;     // low-resolution pixels of a group, about, so that they stay in the cache
  int64_t scattered = 0;  // queries of a group that may lie anywhere; 0: as `queries`
};

class Engine {
 public:
  // Latent codes of an image, where the engine works.
  class Latents {
   public:
    virtual ~Latents() = default;
    virtual int64_t bytes() const = 0;
  };
  // The attention blocks of one context, as far as they have been folded.
  class Attention {
   public:
    virtual ~Attention() = default;
    virtual int64_t bytes() const = 0;
  };
  // Queries of one image and context: of HIIF and LIIF with their neighbours, which are places in
  // `pixels`; of every other decoder as points.
  struct Group {
    const Latents* latents = nullptr;
    const Attention* attention = nullptr;
    std::array<float, 2> cell{};
    absl::Span<const PixelIndex> pixels;
    absl::Span<const Query> queries;
    absl::Span<const QueryPoint> points;
  };

  virtual ~Engine() = default;

  // Where and by what arithmetic, such as "cpu/avx512bf16-bfloat16": results of one identity have
  // the same bits.
  virtual std::string Identity() const = 0;
  virtual std::string precision() const = 0;  // "float32", "bfloat16", "float16"
  virtual CallShape shape() const = 0;
  // For an image of a size and its output; what is held for the weights depends on neither.
  virtual EngineCost Costs(Grid size, Grid grid) const = 0;
  // Width of a row of Begin().
  virtual int width() const = 0;
  virtual int attention_blocks() const = 0;

  virtual EncodingPlan Plan(Grid size) const = 0;
  virtual std::unique_ptr<Latents> NewLatents(Grid size) const = 0;
  // Writes a block of the plan. Blocks may be encoded at the same time.
  virtual absl::Status Encode(const RgbImage& image, const EncodingPlan& plan, int block,
                              int threads, const Heartbeat& beat, Latents& latents) const = 0;

  // --- What is made of all of an image's latent codes: parts, once every block was encoded, which
  // may be made at the same time; then Join().
  virtual int parts(Grid /*size*/) const { return 0; }
  virtual void MakePart(int /*part*/, const Heartbeat& /*beat*/, Latents& /*latents*/) const {}
  virtual void Join(Latents& /*latents*/) const {}

  // --- The context, block after block.
  virtual std::unique_ptr<Attention> NewAttention() const = 0;
  // Level 0: group.queries.size() rows of width() values.
  virtual void Begin(const Group& group, float* x) const = 0;
  // Sum over the rows of x of k^T v of an attention block, heads x d x d.
  virtual std::vector<double> ContextSum(int block, const float* x, int64_t rows) const = 0;
  // Adds the next block, whose mean of k^T v is `kv`.
  virtual void Fold(absl::Span<const double> kv, Attention& attention) const = 0;
  // Attention block `block` of rows of x, in place.
  virtual void Attend(int block, const Attention& attention, int64_t rows, float* x) const = 0;

  // Colours before the residual, 3 values a query, group after group; at most shape().groups.
  virtual void Decode(absl::Span<const Group> groups, float* rgb) const = 0;

  // What the queries gather from, planes of height * width: for comparison with recordings. Empty:
  // the engine never has them.
  virtual std::vector<float> FeaturePlanes(const Latents&) const { return {}; }
  // The same of what Join() made.
  virtual std::vector<float> JoinedPlanes(const Latents&) const { return {}; }
};

}  // namespace hiif

#endif  // MODEL_ENGINE_ENGINE_H_
