// Internal to model/encoders: windows of an image whose pixels attend to each other.
#ifndef MODEL_ENCODERS_WINDOWS_H_
#define MODEL_ENCODERS_WINDOWS_H_

#include <ATen/ATen.h>

namespace hiif {

// Pixels of a window at most: they attend to each other, and a small file would ask for gigabytes.
inline constexpr int64_t kMaxWindowPixels = 1024;

// Windows of rows x columns, moved by shift_rows, shift_columns around the image.
struct Windows {
  int64_t rows, columns;
  int64_t shift_rows = 0;
  int64_t shift_columns = 0;
  int64_t pixels() const { return rows * columns; }
};

// (N,h,w,C) to (N * windows, pixels, C), and back; h and w are multiples of the window's sides.
at::Tensor ToWindows(const at::Tensor& x, const Windows& windows);
at::Tensor FromWindows(const at::Tensor& x, const Windows& windows, int64_t height, int64_t width);

// Of every pair of pixels of a window, the row of a table of (2 rows - 1) (2 columns - 1)
// distances: pixels^2 values.
at::Tensor RelativePositionIndex(const Windows& windows);

// After a shift, windows at the border hold pixels of opposite sides of the image, which do not see
// each other: a number of each side, float, of the windows in rows [begin, end) of the shifted
// image of height x width: (windows, pixels).
at::Tensor Sides(int64_t height, int64_t width, const Windows& windows, int64_t begin, int64_t end);
// Those of one image for all windows of several; undefined stays.
at::Tensor SidesOfAll(const at::Tensor& sides, int64_t windows);
// What is added to the attention of two pixels of different sides, -100: (windows, pixels, pixels).
at::Tensor ShiftMask(const at::Tensor& sides);

// Whether attention is computed by the loops of model/simd, in float32 whatever the products around
// it are: on a CPU.
bool AttendsByLoops(const at::Tensor& tokens);
// For it: bias, (heads, pixels, pixels) of queries and keys, as it wants it.
at::Tensor BiasForLoops(const at::Tensor& bias);
// qkv: (windows, pixels, 3C), q of all heads first; bias: of BiasForLoops; sides: of the windows of
// one image, or undefined. Returns (windows, pixels, C).
at::Tensor AttendByLoops(const at::Tensor& qkv, int64_t heads, const at::Tensor& bias,
                         const at::Tensor& sides);
// The same by LibTorch's operations, all windows at once, with bias as it is: for a device.
at::Tensor AttendByOperations(const at::Tensor& qkv, int64_t heads, const at::Tensor& bias,
                              const at::Tensor& sides);

}  // namespace hiif

#endif  // MODEL_ENCODERS_WINDOWS_H_
