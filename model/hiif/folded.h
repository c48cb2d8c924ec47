// The HIIF decoder by the cheaper algebra of model.md 2.3, on plain floats, for every engine that
// folds: level 0 is projected once per low-resolution pixel; the weight of each LayerNorm goes into
// the matrix behind it; attention, linear once its context is known, goes into the product behind
// it. Matrices are row-major, outputs x inputs.
#ifndef MODEL_HIIF_FOLDED_H_
#define MODEL_HIIF_FOLDED_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/config.h"
#include "model/format/safetensors.h"

namespace hiif {

// fc2(gelu(fc1(LayerNorm(v)))): with s = 1 / sqrt(variance of v + eps),
// gelu's argument is s (fc1 v - mean of v * column_sum) + bias.
struct FoldedLevel {
  int64_t inputs = 0;             // of v; the last two are the bits, row first
  std::vector<float> fc1;         // width x inputs, LayerNorm's weight folded in
  std::vector<float> column_sum;  // of fc1, over its inputs
  std::vector<float> bias;        // fc1 (LayerNorm's bias) + fc1's bias
  std::vector<float> fc2;         // width x width; of the last level 3 x width
  std::vector<float> fc2_bias;
};

// fc1 without the mean of its rows, so that fc1 v needs none of v: W (v - mean) = (W - mean) v.
std::vector<float> Centred(const FoldedLevel& level);

struct FoldedAttention {
  std::vector<float> query, query_bias;                         // width x width, all heads
  std::vector<float> kv, kv_bias;                               // 2 width x width, per head [k | v]
  std::vector<float> k_norm, k_norm_bias, v_norm, v_norm_bias;  // width / heads
  std::vector<float> proj1, proj1_bias, proj2, proj2_bias;
};

struct FoldedHiif {
  HiifConfig config;
  int latent_channels = 0;
  std::vector<float> freq;  // width x (ky, kx, channel)
  std::vector<float> freq_bias;
  // Level 0: v is the four neighbours' features, each times its weight, the cell and the bits.
  std::vector<FoldedLevel> levels;
  std::vector<FoldedAttention> attention;

  // Unimplemented for ablations.
  static absl::StatusOr<FoldedHiif> Create(const Safetensors& parameters, const HiifConfig& config,
                                           int latent_channels);
  // Columns of level 0's fc1 (or of Centred()) for each slot, one below the other: 4 width x width.
  std::vector<float> Slots(absl::Span<const float> fc1) const;
};

// proj1 (x + q KV) as one product of x.
struct FoldedProjection {
  std::vector<float> matrix;  // width x width
  std::vector<float> bias;
};
// `kv`: mean over the context's sample of k^T v, heads x d x d.
FoldedProjection FoldContext(const FoldedAttention& attention, int heads,
                             absl::Span<const double> kv);

}  // namespace hiif

#endif  // MODEL_HIIF_FOLDED_H_
