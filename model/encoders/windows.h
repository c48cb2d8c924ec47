// Internal to model/encoders: windows of a Swin transformer.
#ifndef MODEL_ENCODERS_WINDOWS_H_
#define MODEL_ENCODERS_WINDOWS_H_

#include <ATen/ATen.h>

namespace hiif {

// Pixels of a window at most: they attend to each other, and a small file would ask for gigabytes.
inline constexpr int64_t kMaxWindowPixels = 1024;

// (N,h,w,C) to (N * windows, window^2, C), and back; h and w are multiples of the window.
at::Tensor ToWindows(const at::Tensor& x, int64_t window);
at::Tensor FromWindows(const at::Tensor& windows, int64_t window, int64_t height, int64_t width);

// Index into the bias table of every pair of positions of a window, window^4 values.
at::Tensor RelativePositionIndex(int64_t window);

// After the shift, a window at the border holds pixels of opposite sides of the image: -100 between
// them. Of the windows in rows [begin, end) of the shifted image: (windows, window^2, window^2).
at::Tensor ShiftMask(int64_t height, int64_t width, int64_t window, int64_t shift, int64_t begin,
                     int64_t end);

}  // namespace hiif

#endif  // MODEL_ENCODERS_WINDOWS_H_
