#include "model/encoders/windows.h"

#include "model/layers/layers.h"
#include "model/simd/window_attention.h"

namespace hiif {

at::Tensor ToWindows(const at::Tensor& x, const Windows& w) {
  return x
      .reshape({x.size(0), x.size(1) / w.rows, w.rows, x.size(2) / w.columns, w.columns, x.size(3)})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({-1, w.pixels(), x.size(3)});
}

at::Tensor FromWindows(const at::Tensor& x, const Windows& w, int64_t height, int64_t width) {
  return x.reshape({-1, height / w.rows, width / w.columns, w.rows, w.columns, x.size(2)})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({-1, height, width, x.size(2)});
}

at::Tensor RelativePositionIndex(const Windows& windows) {
  const at::Tensor i = at::arange(windows.pixels(), at::kLong);
  const at::Tensor row = at::floor_divide(i, windows.columns);
  const at::Tensor column = at::remainder(i, windows.columns);
  const at::Tensor rows = row.unsqueeze(1) - row.unsqueeze(0) + (windows.rows - 1);
  const at::Tensor columns = column.unsqueeze(1) - column.unsqueeze(0) + (windows.columns - 1);
  return (rows * (2 * windows.columns - 1) + columns).reshape({-1});
}

at::Tensor Sides(int64_t height, int64_t width, const Windows& windows, int64_t begin,
                 int64_t end) {
  const auto sides = [](int64_t size, int64_t window, int64_t shift, int64_t from, int64_t to) {
    const at::Tensor i = at::arange(from, to, at::kLong);
    return (i >= size - window).to(at::kFloat) + (i >= size - shift).to(at::kFloat);
  };
  const at::Tensor rows = sides(height, windows.rows, windows.shift_rows, begin, end);
  const at::Tensor columns = sides(width, windows.columns, windows.shift_columns, 0, width);
  const at::Tensor both = rows.unsqueeze(1) * 3 + columns.unsqueeze(0);
  return ToWindows(both.reshape({1, end - begin, width, 1}), windows).squeeze(2);
}

at::Tensor SidesOfAll(const at::Tensor& sides, int64_t windows) {
  return sides.defined() ? sides.repeat({windows / sides.size(0), 1}) : sides;
}

at::Tensor ShiftMask(const at::Tensor& sides) {
  return (sides.unsqueeze(1) != sides.unsqueeze(2)).to(at::kFloat) * -100.0;
}

bool AttendsByLoops(const at::Tensor& tokens) { return tokens.is_cpu() && !TakesGradient(); }

at::Tensor BiasForLoops(const at::Tensor& bias) {
  const int64_t pixels = bias.size(2);
  return at::constant_pad_nd(bias.transpose(1, 2).to(at::kFloat),
                             {0, kernels::PadPixels(pixels) - pixels})
      .contiguous();
}

at::Tensor AttendByLoops(const at::Tensor& qkv, int64_t heads, const at::Tensor& bias,
                         const at::Tensor& sides) {
  const int64_t dim = qkv.size(2) / 3;
  const at::Tensor in = qkv.to(at::kFloat).contiguous();
  const at::Tensor side = SidesOfAll(sides, qkv.size(0));
  at::Tensor out = at::empty({qkv.size(0), qkv.size(1), dim}, in.options());
  kernels::Attend({qkv.size(0), qkv.size(1), heads, dim / heads, in.const_data_ptr<float>(),
                   bias.const_data_ptr<float>(),
                   side.defined() ? side.const_data_ptr<float>() : nullptr,
                   out.mutable_data_ptr<float>()});
  return out.to(qkv.scalar_type());
}

}  // namespace hiif
