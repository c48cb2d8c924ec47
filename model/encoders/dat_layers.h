// Internal to model/encoders: the layers of DAT, on tokens (N,h,w,C). What a block keeps besides
// its input goes through strips of rows, so that the memory of a large image is a few times that of
// its latent codes and not 20 times. The results are those of the whole image: convolutions get the
// rows beside the strip, and what is a mean or a sum over the image is taken before.
#ifndef MODEL_ENCODERS_DAT_LAYERS_H_
#define MODEL_ENCODERS_DAT_LAYERS_H_

#include <ATen/ATen.h>

#include "model/config.h"
#include "model/layers/layers.h"

namespace hiif {

// What DAT takes from its input, RGB in [0,1]: (1,3,1,1).
at::Tensor DatMean();

// Windows whose attention is in memory at a time, where that is not in cache.
inline constexpr int64_t kWindowsAtOnce = 32;
// The same on a GPU, which few would leave idle.
inline constexpr int64_t kWindowsOfDevice = 256;

// Tokens as planes (N,C,h,w), and back.
at::Tensor Planes(const at::Tensor& tokens);
at::Tensor Tokens(const at::Tensor& planes);

// Strips of an image in work at a time on a CPU; each has its memory.
inline constexpr int64_t kStripsAtOnce = 4;

// What a block adds to its tokens; x is normalised. `shifted`: whether the windows are. These three
// call `beat` at every strip, on any thread.
at::Tensor SpatialAttention(const DatConfig& config, const at::Tensor& x, const Scope& attention,
                            int64_t heads, bool shifted, const Heartbeat& beat);
at::Tensor ChannelAttention(const DatConfig& config, const at::Tensor& x, const Scope& attention,
                            int64_t heads, const Heartbeat& beat);
// Of x as it is.
at::Tensor FeedForward(const DatConfig& config, const at::Tensor& x, const Scope& block,
                       const Heartbeat& beat);
// Attention in windows as of AttendByOperations() (windows.h), a few of them at a time.
at::Tensor AttendByChunks(const at::Tensor& qkv, int64_t heads, const at::Tensor& bias,
                          const at::Tensor& sides);
// The three convolutions of a residual connection.
at::Tensor ResidualConvs(const at::Tensor& planes, const Scope& scope);

}  // namespace hiif

#endif  // MODEL_ENCODERS_DAT_LAYERS_H_
