// Attention of the pixels of a window to each other (Swin transformers, arXiv 2103.14030, equation
// 4), in float32. Highway picks the widest instructions at run time.
//
// Every pixel is computed by the same instructions in the same order wherever it stands in its
// window and its window among the others.
#ifndef MODEL_SIMD_WINDOW_ATTENTION_H_
#define MODEL_SIMD_WINDOW_ATTENTION_H_

#include <cstdint>

namespace hiif::kernels {

// The bias has so many columns that no vector of it ends beyond the last.
constexpr int64_t PadPixels(int64_t pixels) { return (pixels + 31) / 32 * 32; }

struct WindowAttention {
  int64_t windows = 0;
  int64_t pixels = 0;  // of a window
  int64_t heads = 0;
  int64_t channels = 0;         // of a head
  const float* qkv = nullptr;   // (windows, pixels, 3, heads, channels)
  const float* bias = nullptr;  // (heads, pixels, PadPixels(pixels)): of a key, for each query
  // (windows, pixels), or null. Pixels of a window with different numbers are not to see each
  // other: -100 is added, as in the released networks.
  const float* side = nullptr;
  float* out = nullptr;  // (windows, pixels, heads, channels)
};

// out = softmax(q k^T / sqrt(channels) + bias) v. What is not finite in q, k or v is not finite in
// all that is made of it.
void Attend(const WindowAttention& attention);

// What a loss changes by, where it changes by out_gradient with what Attend() gives.
struct WindowAttentionGradient {
  const float* out_gradient = nullptr;  // (windows, pixels, heads, channels)
  float* qkv_gradient = nullptr;        // (windows, pixels, 3, heads, channels)
  // (heads, pixels, PadPixels(pixels)), as bias: the sum of all windows is added to what is there.
  float* bias_gradient = nullptr;
};

// attention.out is not used: the softmax is computed anew, which takes less than to keep it.
void AttendGradient(const WindowAttention& attention, const WindowAttentionGradient& gradient);

}  // namespace hiif::kernels

#endif  // MODEL_SIMD_WINDOW_ATTENTION_H_
