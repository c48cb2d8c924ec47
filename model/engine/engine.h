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

#include "absl/functional/function_ref.h"
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
  // Groups that are rectangles of pixels come as tables, without queries.
  bool rectangles = false;

  int64_t anywhere() const { return scattered > 0 ? scattered : queries > 0 ? queries : 96; }
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
  // `pixels`; of every other decoder as points. Where the engine asked for rectangles, instead of
  // queries a region of tables, row after row; `pixels` are the rectangle of all its neighbours.
  struct Group {
    const Latents* latents = nullptr;
    const Attention* attention = nullptr;
    std::array<float, 2> cell{};
    absl::Span<const PixelIndex> pixels;
    absl::Span<const Query> queries;
    absl::Span<const QueryPoint> points;
    const Positions* positions = nullptr;
    Region region;  // of the tables; of no pixels: `queries` or `points`
    int64_t size() const {
      return region.pixels() + static_cast<int64_t>(queries.size() + points.size());
    }
  };
  // Queries [begin, begin + count) of a context's sample, valid until the next call.
  using SampleOf = absl::FunctionRef<Group(int64_t begin, int64_t count)>;

  virtual ~Engine() = default;

  // Where and by what arithmetic, such as "cpu/avx512bf16-bfloat16+avx512+avx512": results of one
  // identity have the same bits.
  virtual std::string Identity() const = 0;
  virtual std::string precision() const = 0;  // "float32", "bfloat16", "float16"
  virtual CallShape shape() const = 0;
  // For an image of a size and its output; what is held for the weights depends on neither.
  virtual EngineCost Costs(Grid size, Grid grid) const = 0;
  virtual int attention_blocks() const = 0;

  virtual EncodingPlan Plan(Grid size) const = 0;
  virtual std::unique_ptr<Latents> NewLatents(Grid size) const = 0;
  // Writes a block of the plan. Blocks may be encoded at the same time.
  virtual absl::Status Encode(const RgbImage& image, const EncodingPlan& plan, int block,
                              int threads, const Heartbeat& beat, Latents& latents) const = 0;
  // Whether its device answers no more: asked where a call threw.
  virtual bool Lost() const { return false; }

  // --- What is made of all of an image's latent codes: parts, once every block was encoded, which
  // may be made at the same time; then Join().
  virtual int parts(Grid /*size*/) const { return 0; }
  virtual void MakePart(int /*part*/, const Heartbeat& /*beat*/, Latents& /*latents*/) const {}
  virtual void Join(Latents& /*latents*/) const {}

  // Of the context whose sample are `count` queries; it is asked for shape().anywhere() at a time.
  virtual std::unique_ptr<Attention> MakeAttention(int64_t count, SampleOf sample,
                                                   const Heartbeat& beat) const = 0;

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
