// Internal to model/ and train/: HIIF and LIIF on LibTorch tensors, operation by operation as the
// released code. N images with Q queries each; neighbours in the order of model.md 2, step 2.
#ifndef MODEL_HIIF_QUERY_TENSORS_H_
#define MODEL_HIIF_QUERY_TENSORS_H_

#include <vector>

#include "model/checkpoint/network.h"
#include "model/hiif/queries.h"

namespace hiif {

// What a decoder is asked, as tensors. One image: N = 1.
struct QueryTensors {
  at::Tensor neighbour;  // (N,Q,4) int64: row * w + column of the low-resolution pixel
  at::Tensor weight;     // (N,Q,4) ensemble weights
  at::Tensor distance;   // (N,Q,4,2) to each neighbour, in low-resolution pixels (LIIF)
  at::Tensor bits;       // (N,Q,levels,2), row bit first (HIIF)
  at::Tensor local;      // (N,Q,2) local coordinate (HIIF without hierarchy)
  at::Tensor cell;       // (N,2)
};

// The queries of one image, whose neighbours are rows of what is gathered from; `cell` as
// HiifCell() or LiifCell() give it.
QueryTensors MakeQueries(absl::Span<const Query> asked, int levels, std::array<float, 2> cell);

// What the queries gather from, out of the latent codes (N,C_e,h,w). HIIF: `freq`, (N,width,h,w).
// LIIF: the 3x3 neighbourhoods, (N,9*C_e,h,w).
at::Tensor DecoderFeatures(const Network& network, const at::Tensor& latents);

// Rows of `features` (N,h*w,C) at the neighbours: (N,Q,4,C).
at::Tensor Gather(const at::Tensor& features, const at::Tensor& neighbour);
// (N,2) to (N,Q,2).
at::Tensor PerQuery(const at::Tensor& cell, int64_t queries);

// --- HIIF in its steps; `features` is (N,width,h*w) transposed to (N,h*w,width).
// fc_0 on the weighted neighbours: (N,Q,width).
at::Tensor HiifBegin(const Network& network, const at::Tensor& features,
                     const QueryTensors& queries);
// Sum over the queries of k^T v of attention block `block`: (N,heads,d,d).
at::Tensor HiifContextSum(const Network& network, int block, const at::Tensor& x);
// Attention block with KV = sum / number of queries: (N,Q,width).
at::Tensor HiifAttend(const Network& network, int block, const at::Tensor& x, const at::Tensor& kv);
// fc_1 to the last: (N,Q,3).
at::Tensor HiifFinish(const Network& network, const at::Tensor& x, const QueryTensors& queries);
// All of them, the context taken over these queries, as the released code does in one call.
at::Tensor HiifDecode(const Network& network, const at::Tensor& features,
                      const QueryTensors& queries);

// --- LIIF: (N,Q,3).
at::Tensor LiifDecode(const Network& network, const at::Tensor& features,
                      const QueryTensors& queries);

// The 3x3 neighbourhoods of some pixels (L) of codes (h*w,C), zero beyond the border: (L,9*C),
// ordered (ky,kx,channel).
at::Tensor Neighbourhoods(const at::Tensor& codes, const at::Tensor& pixels, Grid size);

}  // namespace hiif

#endif  // MODEL_HIIF_QUERY_TENSORS_H_
