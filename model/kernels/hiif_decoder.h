// The HIIF decoder on a CPU core: a block of pixels goes through all levels while it stays in the
// cache. The algebra is that of model.md 2.3: level 0 is projected once per low-resolution pixel,
// LayerNorms are folded into the products behind them, and attention, linear once its context is
// known, is folded into the product behind it. From level 1 on, fc2 and the fc1 of the level behind
// it are one matrix; the LayerNorm between them needs |fc2 h|^2 alone, which a triangle gives for
// half the price (fold.h). Products are of
// float32 or bfloat16 factors; everything else is float32. No threads inside: one Workspace a
// thread.
#ifndef MODEL_KERNELS_HIIF_DECODER_H_
#define MODEL_KERNELS_HIIF_DECODER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/checkpoint/safetensors.h"
#include "model/config.h"
#include "model/kernels/gemm.h"

namespace hiif::kernels {

inline constexpr int kMaxLevels = 8;

// Queries that go through the levels together: with buffers for two rows of 256 values each and a
// panel of weights they fit a second-level cache of 512 KiB.
inline constexpr int kBlockRows = 96;
static_assert(kBlockRows % kRowGroup == 0);

// Encoder output, channels last: height x width x channels.
struct Latents {
  const float* values = nullptr;
  int64_t height = 0;
  int64_t width = 0;
  int channels = 0;
};

// Index of a low-resolution pixel, row * width + column.
using PixelIndex = int32_t;

// One output pixel.
struct Query {
  std::array<int32_t, 4> neighbour;      // positions in the LatentTable, order of model.md 2 step 2
  std::array<float, 4> weight;           // ensemble weights, sum 1
  std::array<uint8_t, kMaxLevels> bits;  // per level: 2 * row bit + column bit
};

// What level 0 needs of some low-resolution pixels: their features times fc_0's weights for each of
// the four neighbour slots, and the sum and the sum of squares of their features. Reused without
// allocation.
struct LatentTable {
  std::vector<float> projections;  // pixel x slot x width
  std::vector<float> sum;
  std::vector<float> sum_squares;
};

// Attention of one image and grid, folded into weights; and what the cell adds to level 0.
struct FoldedContext {
  struct Block {
    PackedMatrix projection;  // proj1 (I + blockdiag(KV)^T Wq)
    std::vector<float> bias;
  };
  std::vector<Block> blocks;
  std::array<float, 2> cell{};
  std::array<std::vector<float>, 4> level0_extra;  // cell and bits of level 0, by bits
  int64_t bytes() const;
};

class HiifDecoder {
 public:
  // Buffers of one thread; about 1 MB at width 256.
  class Workspace;

  // Reads the parameters `freq.*`, `fc_layers.*`, `conv0.*`, ... InvalidArgument for a
  // configuration this decoder does not serve (ablations, a width that is not a multiple of 32).
  static absl::StatusOr<std::unique_ptr<HiifDecoder>> Create(const Safetensors& parameters,
                                                             const HiifConfig& config,
                                                             int latent_channels, Number number);

  std::unique_ptr<Workspace, void (*)(Workspace*)> NewWorkspace() const;
  int64_t weights_bytes() const;
  int width() const { return width_; }
  int levels() const { return levels_; }

  // Fills `table` for `pixels` (row * width + column), in their order.
  void Project(const Latents& latents, absl::Span<const PixelIndex> pixels, Workspace& workspace,
               LatentTable& table) const;

  // The queries that the attention context is taken over, handed out in consecutive blocks.
  class Sample {
   public:
    virtual ~Sample() = default;
    virtual int64_t size() const = 0;
    // Queries [begin, end), at most kBlockRows, with the table that their neighbours are positions
    // in. Both stay valid until the next call.
    virtual absl::Span<const Query> Range(int64_t begin, int64_t end,
                                          const LatentTable** table) = 0;
  };
  // The context of an image and grid: attention block after attention block, KV = mean of k^T v.
  FoldedContext MakeContext(Sample& sample, std::array<float, 2> cell, Workspace& workspace) const;

  // Decoder output before the residual, 3 values a query.
  void Decode(const LatentTable& table, absl::Span<const Query> queries,
              const FoldedContext& context, Workspace& workspace, float* out) const;

 private:
  // Sum and sum of squares of x = fc2(hidden) without making x, which the fc1 behind it has
  // absorbed.
  struct Norm {
    std::vector<float> sum_weights;  // sum of x = sum_weights . hidden + sum
    float sum = 0;
    PackedMatrix triangle;  // |x|^2 = |triangle hidden + bias|^2 + sum_squares
    std::vector<float> bias;
    float sum_squares = 0;
  };
  struct Mlp {  // fc_l
    // Levels >= 1, LayerNorm weight folded in; levels >= 2 take the hidden values of the level
    // before: its fc2 is folded in too.
    PackedMatrix fc1;
    Norm norm;                                     // of what enters levels >= 2
    std::array<std::vector<float>, 4> bits_extra;  // contribution of the bits, by bits
    std::vector<float> column_sum;                 // over all inputs
    std::vector<float> bias;                       // fc1 (LayerNorm bias) + fc1 bias
  };
  struct Attention {
    PackedMatrix kv;  // per head [k | v]
    std::vector<float> kv_bias;
    std::vector<float> query;  // Wq, width x width
    std::vector<float> query_bias;
    std::vector<float> k_norm, k_norm_bias, v_norm, v_norm_bias;
    std::vector<float> proj1, proj1_bias;
    PackedMatrix proj2;
    std::vector<float> proj2_bias;
  };

  HiifDecoder() = default;
  // Up to level 0 and the first `blocks` attention blocks: queries.size() rows of workspace.x, and
  // packed.
  void Begin(const LatentTable& table, absl::Span<const Query> queries,
             const FoldedContext& context, int blocks, Workspace& workspace) const;
  // Attention on the rows of workspace.x, which are packed, before and after.
  void Attend(int block, const FoldedContext& context, int64_t rows, bool statistics,
              Workspace& workspace) const;
  // Adds k^T v of `rows` rows of x, heads x d x d.
  void AddKeyValues(int block, const float* x, int64_t rows, int64_t padded, Workspace& workspace,
                    std::vector<double>& kv_sum) const;
  void AddBlock(int block, const std::vector<double>& kv_sum, int64_t samples,
                FoldedContext& context) const;

  int width_ = 0;
  int levels_ = 0;
  int heads_ = 0;
  int latent_channels_ = 0;
  Number number_ = Number::kFloat32;
  PackedMatrix freq_;  // inputs ordered (ky, kx, channel)
  std::vector<float> freq_bias_;
  PackedMatrix level0_;           // 4 * width outputs: slot x width
  std::vector<float> zero_bias_;  // 4 * width
  std::array<std::vector<float>, 4>
      level0_inputs_;      // weights of cell row, cell column, row bit, column bit
  std::vector<Mlp> mlps_;  // [0].fc1 is empty: level0_
  PackedMatrix fc2_;       // of level 0
  std::vector<float> fc2_bias_;
  std::vector<Attention> attention_;
  std::vector<float> rgb_;  // last fc2, 3 x width
  std::array<float, 3> rgb_bias_{};
};

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_HIIF_DECODER_H_
