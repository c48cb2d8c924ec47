// The centre of the project: one image, any scale. Above it are requests and tiles, below it
// tensors.
//
//   auto encoding = upscaler->StartEncoding(image);            // latent codes, in blocks
//   for (i < encoding->blocks()) encoding->EncodeBlock(i);     // any order, any thread
//   auto features = encoding->Finish();
//   // The attention context, once per image and grid.
//   auto context = upscaler->MakeContext(*features, grid, {});
//   // Any tiles, any order, any thread.
//   upscaler->Render({{features, context, region, out}, ...});
//
// A pixel's value depends on the image, the grid and the model alone: not, to the last bit, on how
// the grid is cut into tiles, on which tiles share a call, or on the number of threads.
#ifndef MODEL_UPSCALER_UPSCALER_H_
#define MODEL_UPSCALER_UPSCALER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/image.h"
#include "model/config.h"
#include "model/cost/cost.h"
#include "model/encoders/encoder.h"
#include "model/hiif/queries.h"
#include "model/layers/heartbeat.h"

namespace hiif {

class Checkpoint;

// Samples of the attention context by default: measured on Set5, 0.002 dB from the full context.
inline constexpr int64_t kDefaultContextSamples = 2304;

struct ContextOptions {
  // Output pixels the attention context is taken over, min(samples, H*W); 0: all.
  int64_t samples = kDefaultContextSamples;
  // Of these pixels of the grid instead, all of them: the released evaluation takes a context for
  // every strip of some rows.
  std::optional<Region> strip;
  // For an upscaler that has two networks (BlendedUpscaler), part of the sharp one, [0,1].
  double strength = 1;
  // Called by MakeContext() between calls of the engine, on the calling thread; where it says false
  // the context is given up: Cancelled. Not kept.
  Heartbeat beat;
};

// Latent codes of one image (with the image, which the residual needs). Immutable; made by one
// Upscaler and usable with that one only.
class Features {
 public:
  virtual ~Features() = default;
  virtual int64_t height() const = 0;  // of the low-resolution image
  virtual int64_t width() const = 0;
  virtual int64_t bytes() const = 0;  // of memory held
};

// The KV sums of the decoder's attention blocks for one image and grid. Immutable. A decoder
// without attention has an empty one.
class Context {
 public:
  virtual ~Context() = default;
  virtual Grid grid() const = 0;
  virtual int64_t bytes() const = 0;
};

// An encoding under way. Blocks may be encoded in any order and on several threads at once.
class Encoding {
 public:
  virtual ~Encoding() = default;
  virtual int blocks() const = 0;  // >= 1, as many as Cost().encode has
  // `threads`: cores that may work on this block; more than one where fewer blocks than cores are
  // left. The features do not depend on it. The reference backend goes by SetIntraOpThreads().
  // `beat` is called between layers, on any thread and on several at once; where it says false the
  // block is given up: Cancelled.
  virtual absl::Status EncodeBlock(int block, int threads, const Heartbeat& beat) = 0;
  absl::Status EncodeBlock(int block, int threads) { return EncodeBlock(block, threads, nullptr); }
  // After every block was encoded.
  virtual absl::StatusOr<std::shared_ptr<const Features>> Finish() = 0;
};

struct RenderTile {
  const Features* features = nullptr;
  const Context* context = nullptr;  // its grid says what the region lies in
  Region region;
  // Interleaved RGB, region.pixels() * 3 values: the decoder's output with the residual, in the
  // normalised range where [-1,1] is [0,1] of the image; not clamped. ToUnit() below makes image
  // values of them.
  absl::Span<float> out;
};

// All methods are const and may be called from several threads at once; but for encoding, each runs
// on its caller's thread. Errors: InvalidArgument for sizes and regions that do not fit, Internal
// when a result is not finite, ResourceExhausted when the device has no memory left.
class Upscaler {
 public:
  virtual ~Upscaler() = default;
  virtual const ModelConfig& config() const = 0;
  virtual std::string backend() const = 0;  // "reference", "torch" or "fused"
  // Where and by what arithmetic, such as "cpu/avx512bf16-bfloat16+avx512+avx512": what has one
  // identity has, for one model, the same bits.
  virtual std::string identity() const = 0;
  virtual std::string precision() const = 0;  // "float32", "bfloat16", "float16"
  virtual int64_t weights_bytes() const = 0;

  // What upscaling an image of size `input` to a region of `grid` costs. They hold for every
  // image of the size, and need none.
  virtual WorkCost Cost(Grid input, Grid grid, const Region& region,
                        const ContextOptions& options) const = 0;
  virtual MemoryFootprint Footprint(Grid input, Grid grid, const Region& region,
                                    const ContextOptions& options) const = 0;

  // InvalidArgument where an image of size `input` cannot be enlarged to `grid`.
  virtual absl::Status CheckGrid(Grid /*input*/, Grid /*grid*/) const { return absl::OkStatus(); }
  virtual absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const = 0;
  virtual absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features& features, Grid grid, const ContextOptions& options) const = 0;
  virtual absl::Status Render(absl::Span<const RenderTile> tiles) const = 0;
  // The implicit function at arbitrary coordinates, by the formulas of the exact mode in double
  // (model.md 2.1). The context is that of the grid round(2/cell). out: 3 values a coordinate.
  virtual absl::Status Query(const Features& features, const Context& context, Cell cell,
                             absl::Span<const Coordinate> coordinates,
                             absl::Span<float> out) const = 0;

  // The features that the queries gather from, planes of height * width: `freq` for HIIF, the
  // encoder's output for others. For comparison with recordings; empty where the backend has none.
  virtual std::vector<float> FeaturePlanes(const Features&) const { return {}; }
  // The same of what is made of all of them once per image: CiaoSR's non-local map.
  virtual std::vector<float> JoinedPlanes(const Features&) const { return {}; }

  // StartEncoding, every block, Finish.
  absl::StatusOr<std::shared_ptr<const Features>> Encode(
      std::shared_ptr<const RgbImage> image) const;
};

// Normalised output value to an image value: clamp(v / 2 + 1/2, 0, 1). NaN stays NaN.
inline float ToUnit(float v) {
  v = v * 0.5f + 0.5f;
  return v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v;
}

}  // namespace hiif

#endif  // MODEL_UPSCALER_UPSCALER_H_
