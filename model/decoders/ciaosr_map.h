// CiaoSR's non-local map: every pixel looks at a quarter of all pixels (docs/decoders.md).
#ifndef MODEL_DECODERS_CIAOSR_MAP_H_
#define MODEL_DECODERS_CIAOSR_MAP_H_

#include <vector>

#include "absl/types/span.h"
#include "base/image.h"
#include "model/layers/layers.h"

namespace hiif {

// Images up to this side are taken whole. Larger ones in blocks of it, `kCiaoSrStride` apart from
// the top left, the last flush with the border, and the mean where they overlap: the cost a pixel
// is bounded, and the map depends on the image alone.
inline constexpr int64_t kCiaoSrBlock = 192;
inline constexpr int64_t kCiaoSrStride = 160;

// In the order of rows, then columns.
std::vector<Region> CiaoSrBlocks(Grid size);

// The map of one block's latent codes (1,C,h,w), of the same shape. `scope` holds cs_attn.*.
at::Tensor CiaoSrMap(const Scope& scope, const at::Tensor& latents, const Heartbeat& beat);
// Bytes that it holds at most, for latent codes of `features` channels.
int64_t CiaoSrMapBytes(int features, Grid block);

// The map of the image (1,C,h,w) from those of CiaoSrBlocks().
at::Tensor JoinCiaoSrBlocks(absl::Span<const at::Tensor> maps, Grid size);

}  // namespace hiif

#endif  // MODEL_DECODERS_CIAOSR_MAP_H_
