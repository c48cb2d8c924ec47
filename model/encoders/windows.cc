#include "model/encoders/windows.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "model/layers/layers.h"
#include "model/simd/window_attention.h"

namespace hiif {
namespace {

struct Shape {
  int64_t heads;
  at::Tensor side;  // of every window, or undefined
};

// In float32, contiguous.
kernels::WindowAttention Problem(const at::Tensor& qkv, const at::Tensor& bias,
                                 const Shape& shape) {
  return {.windows = qkv.size(0),
          .pixels = qkv.size(1),
          .heads = shape.heads,
          .channels = qkv.size(2) / 3 / shape.heads,
          .qkv = qkv.const_data_ptr<float>(),
          .bias = bias.const_data_ptr<float>(),
          .side = shape.side.defined() ? shape.side.const_data_ptr<float>() : nullptr};
}

at::Tensor Attended(const at::Tensor& qkv, const at::Tensor& bias, const Shape& shape) {
  at::Tensor out = at::empty({qkv.size(0), qkv.size(1), qkv.size(2) / 3}, qkv.options());
  kernels::WindowAttention problem = Problem(qkv, bias, shape);
  problem.out = out.mutable_data_ptr<float>();
  kernels::Attend(problem);
  return out;
}

// With what the loops know of its gradient.
struct AttendedWithGradient : torch::autograd::Function<AttendedWithGradient> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& qkv,
                            const at::Tensor& bias, const Shape& shape) {
    context->save_for_backward({qkv, bias, shape.side});
    context->saved_data["heads"] = shape.heads;
    return Attended(qkv, bias, shape);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const at::Tensor& qkv = saved[0];
    const at::Tensor& bias = saved[1];
    const at::Tensor out = gradients[0].contiguous();
    at::Tensor of_qkv = at::empty_like(qkv);
    at::Tensor of_bias = at::zeros_like(bias);
    kernels::AttendGradient(Problem(qkv, bias, {context->saved_data["heads"].toInt(), saved[2]}),
                            {.out_gradient = out.const_data_ptr<float>(),
                             .qkv_gradient = of_qkv.mutable_data_ptr<float>(),
                             .bias_gradient = of_bias.mutable_data_ptr<float>()});
    return {of_qkv, of_bias, {}};
  }
};

}  // namespace

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

bool AttendsByLoops(const at::Tensor& tokens) { return tokens.is_cpu(); }

at::Tensor BiasForLoops(const at::Tensor& bias) {
  const int64_t pixels = bias.size(2);
  return at::constant_pad_nd(bias.transpose(1, 2).to(at::kFloat),
                             {0, kernels::PadPixels(pixels) - pixels})
      .contiguous();
}

at::Tensor AttendByLoops(const at::Tensor& qkv, int64_t heads, const at::Tensor& bias,
                         const at::Tensor& sides) {
  const at::Tensor in = qkv.to(at::kFloat).contiguous();
  const Shape shape{heads, SidesOfAll(sides, qkv.size(0))};
  const at::Tensor out =
      TakesGradient() ? AttendedWithGradient::apply(in, bias, shape) : Attended(in, bias, shape);
  return out.to(qkv.scalar_type());
}

at::Tensor AttendByOperations(const at::Tensor& qkv, int64_t heads, const at::Tensor& bias,
                              const at::Tensor& sides) {
  const int64_t count = qkv.size(0);
  const int64_t size = qkv.size(1);
  const int64_t dim = qkv.size(2) / 3;
  const at::Tensor split =
      qkv.reshape({count, size, 3, heads, dim / heads}).permute({2, 0, 3, 1, 4});
  const double scale = std::pow(static_cast<double>(dim) / static_cast<double>(heads), -0.5);
  at::Tensor attention =
      at::matmul(split[0] * scale, split[1].transpose(-2, -1)) + bias.unsqueeze(0);
  if (sides.defined()) {
    const at::Tensor mask = ShiftMask(sides).to(attention.device());
    at::Tensor grouped = attention.reshape({-1, mask.size(0), heads, size, size});
    attention = AddTo(grouped, mask.unsqueeze(1).unsqueeze(0)).reshape({count, heads, size, size});
  }
  return at::matmul(at::softmax(attention, -1), split[2])
      .transpose(1, 2)
      .reshape({count, size, dim});
}

}  // namespace hiif
