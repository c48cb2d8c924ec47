// Internal to model/: the folded HIIF decoder (model/hiif/folded.h) on LibTorch tensors of any
// device. Contexts differ between images, so that the product behind attention is a batch with a
// weight matrix for each group of queries; every other layer is shared by all groups.
//
// Products are in the compute type; statistics, the attention context and the last layer are
// float32.
#ifndef MODEL_HIIF_FOLDED_TENSORS_H_
#define MODEL_HIIF_FOLDED_TENSORS_H_

#include <ATen/ATen.h>

#include <vector>

#include "model/hiif/folded.h"

namespace hiif {

// Level 0 of some low-resolution pixels.
struct ProjectedPixels {
  at::Tensor slots;        // (L*4,width): features times fc_0's weights for each neighbour slot
  at::Tensor sum;          // (L) of the features, float32
  at::Tensor sum_squares;  // (L)
};

// G groups of R queries; n = G*R.
struct FoldedQueries {
  int64_t groups = 0;
  at::Tensor pixel;   // (n,4) int64: place of each neighbour in ProjectedPixels
  at::Tensor weight;  // (n,4) float32 ensemble weights
  at::Tensor bits;    // (levels,n,2) float32
  at::Tensor cell;    // (n,2) float32
};

// Attention of one image and grid.
struct FoldedTensors {
  std::vector<at::Tensor> projection;  // per block: (width,width), for x * projection
  std::vector<at::Tensor> bias;        // (1,width)
};

class FoldedDecoder {
 public:
  FoldedDecoder(const FoldedHiif& folded, at::Device device, at::ScalarType type);

  const HiifConfig& config() const { return config_; }
  int64_t width() const { return config_.width; }
  int64_t weights_bytes() const;

  // Patches (L, 9*C_e), each ordered (ky,kx,channel), `rows` of which L is a multiple a product:
  // its rounding may depend on how many there are.
  ProjectedPixels Project(const at::Tensor& patches, int64_t rows) const;
  // Level 0: (n,width).
  at::Tensor Begin(const ProjectedPixels& pixels, const FoldedQueries& queries) const;
  // Attention block `block` on x (n,width); `projection` (G,width,width) and `bias` (G,1,width) of
  // the groups' contexts.
  at::Tensor Attend(int block, const at::Tensor& x, const at::Tensor& projection,
                    const at::Tensor& bias) const;
  // Levels 1 to the last: (n,3) float32.
  at::Tensor Finish(at::Tensor x, const FoldedQueries& queries) const;

  // Sum over the rows of x of k^T v of attention block `block`: (heads,d,d) float32.
  at::Tensor ContextSum(int block, const at::Tensor& x) const;
  // Adds the next attention block, whose mean of k^T v is `kv` (heads,d,d): FoldContext() of
  // folded.h, where the tensors are.
  void Fold(const at::Tensor& kv, FoldedTensors& attention) const;

 private:
  struct Level {
    at::Tensor fc1;    // (width,width), centred; level 0: (4*width,width), slot x output
    at::Tensor extra;  // (8,width): weights of row bit, column bit, cell row, cell column; bias
    at::Tensor fc2;    // the last is (8,width) float32, rows beyond 3 zero
    at::Tensor fc2_bias;
  };
  struct Attention {
    at::Tensor kv, kv_bias;  // float32, (heads*2*d,width), per head [k | v]
    at::Tensor k_norm, k_norm_bias, v_norm, v_norm_bias;
    at::Tensor query, query_bias;  // float32, (heads,d,width) and (heads,d,1)
    at::Tensor proj1, proj1_bias;  // float32
    at::Tensor proj2, proj2_bias;
  };

  // y W + [scale * (bits, cell), 1] extra, y scaled in place, then GELU.
  at::Tensor NormGelu(const Level& level, const at::Tensor& y, const at::Tensor& scale,
                      const at::Tensor& bits, const at::Tensor& cell) const;

  const HiifConfig config_;
  at::Tensor freq_, freq_bias_;
  std::vector<Level> levels_;
  std::vector<Attention> attention_;
};

}  // namespace hiif

#endif  // MODEL_HIIF_FOLDED_TENSORS_H_
