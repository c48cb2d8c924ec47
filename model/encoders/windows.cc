#include "model/encoders/windows.h"

namespace hiif {

at::Tensor ToWindows(const at::Tensor& x, int64_t window) {
  const int64_t rows = x.size(1) / window;
  const int64_t columns = x.size(2) / window;
  return x.reshape({x.size(0), rows, window, columns, window, x.size(3)})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({-1, window * window, x.size(3)});
}

at::Tensor FromWindows(const at::Tensor& windows, int64_t window, int64_t height, int64_t width) {
  return windows.reshape({-1, height / window, width / window, window, window, windows.size(2)})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({-1, height, width, windows.size(2)});
}

at::Tensor RelativePositionIndex(int64_t window) {
  const at::Tensor i = at::arange(window * window, at::kLong);
  const at::Tensor row = at::floor_divide(i, window);
  const at::Tensor column = at::remainder(i, window);
  const at::Tensor rows = row.unsqueeze(1) - row.unsqueeze(0) + (window - 1);
  const at::Tensor columns = column.unsqueeze(1) - column.unsqueeze(0) + (window - 1);
  return (rows * (2 * window - 1) + columns).reshape({-1});
}

at::Tensor ShiftMask(int64_t height, int64_t width, int64_t window, int64_t shift, int64_t begin,
                     int64_t end) {
  const auto region = [&](int64_t size, int64_t from, int64_t to) {
    const at::Tensor i = at::arange(from, to, at::kLong);
    return (i >= size - window).to(at::kLong) + (i >= size - shift).to(at::kLong);
  };
  const at::Tensor label =
      region(height, begin, end).unsqueeze(1) * 3 + region(width, 0, width).unsqueeze(0);
  const at::Tensor windows =
      ToWindows(label.reshape({1, end - begin, width, 1}), window).squeeze(2);
  return (windows.unsqueeze(1) != windows.unsqueeze(2)).to(at::kFloat) * -100.0;
}

}  // namespace hiif
