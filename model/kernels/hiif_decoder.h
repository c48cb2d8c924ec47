// The HIIF decoder on a CPU core: a block of pixels goes through all levels while it stays in the
// cache. The algebra is that of model.md 2.3: level 0 is projected once per low-resolution pixel,
// LayerNorms are folded into the products behind them, and attention, linear once its context is
// known, is folded into the product behind it. From level 1 on, fc2 and the fc1 of the level behind
// it are one matrix; the LayerNorm between them needs |fc2 h|^2 alone, which a triangle gives for
// half the price (model/hiif/weight_algebra.h). Products are of
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
#include "model/hiif/folded.h"
#include "model/hiif/queries.h"
#include "model/kernels/gemm.h"

namespace hiif::kernels {

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

// What level 0 needs of some low-resolution pixels: their features times fc_0's weights for each of
// the four neighbour slots, and the sum and the sum of squares of their features. Reused without
// allocation.
struct LatentTable {
  std::vector<float> projections;  // pixel x slot x width
  std::vector<float> sum;
  std::vector<float> sum_squares;
};

// Attention of one image and grid, folded into weights.
struct FoldedBlock {
  PackedMatrix projection;
  std::vector<float> bias;
};
using FoldedBlocks = std::vector<FoldedBlock>;

class HiifDecoder {
 public:
  // Buffers of one thread; about 1 MB at width 256.
  class Workspace;

  // Unimplemented for a configuration this decoder does not serve (widths that are not multiples of
  // 32).
  static absl::StatusOr<std::unique_ptr<HiifDecoder>> Create(const FoldedHiif& folded,
                                                             Number number);

  std::unique_ptr<Workspace, void (*)(Workspace*)> NewWorkspace() const;
  int64_t weights_bytes() const;
  int width() const { return width_; }
  int levels() const { return levels_; }

  // Fills `table` for `pixels` (row * width + column), in their order.
  void Project(const Latents& latents, absl::Span<const PixelIndex> pixels, Workspace& workspace,
               LatentTable& table) const;

  // --- The context: rows of width() values, any number of them.
  // Level 0.
  void Begin(const LatentTable& table, absl::Span<const Query> queries, std::array<float, 2> cell,
             Workspace& workspace, float* x) const;
  // Sum of k^T v, heads x d x d.
  std::vector<double> ContextSum(int block, const float* x, int64_t rows,
                                 Workspace& workspace) const;
  void Fold(absl::Span<const double> kv, FoldedBlocks& blocks) const;
  // In place.
  void Attend(int block, const FoldedBlocks& blocks, int64_t rows, Workspace& workspace,
              float* x) const;

  // Decoder output before the residual, 3 values a query.
  void Decode(const LatentTable& table, absl::Span<const Query> queries, std::array<float, 2> cell,
              const FoldedBlocks& blocks, Workspace& workspace, float* out) const;

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
    PackedMatrix proj2;
  };

  HiifDecoder() = default;
  void PackLevel(const FoldedLevel& level, const FoldedLevel* before, Mlp& mlp) const;
  // What the cell and the bits add to level 0, by bits.
  void SetCell(std::array<float, 2> cell, Workspace& workspace) const;
  // At most kBlockRows queries: rows of workspace.x, and packed.
  void BeginBlock(const LatentTable& table, absl::Span<const Query> queries,
                  Workspace& workspace) const;
  // Attention on the rows of workspace.x, which are packed, before and after.
  void AttendBlock(int block, const FoldedBlocks& blocks, int64_t rows, bool statistics,
                   Workspace& workspace) const;
  void AddKeyValues(int block, const float* x, int64_t rows, Workspace& workspace,
                    std::vector<double>& kv_sum) const;
  void Finish(absl::Span<const Query> queries, Workspace& workspace, float* out) const;

  int width_ = 0;
  int levels_ = 0;
  int heads_ = 0;
  int latent_channels_ = 0;
  std::vector<FoldedAttention> folded_;  // what is small or needed for contexts
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
