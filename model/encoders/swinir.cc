// SwinIR up to its conv_before_upsample: residual Swin transformer blocks on non-overlapping
// windows.
#include "absl/strings/str_cat.h"
#include "model/network.h"

namespace hiif {
namespace {

// (N,h,w,C) to (N * windows, window^2, C), and back.
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

// Index into the bias table of every pair of positions of a window, window^4 values.
at::Tensor RelativePositionIndex(int64_t window) {
  const at::Tensor i = at::arange(window * window, at::kLong);
  const at::Tensor row = at::floor_divide(i, window);
  const at::Tensor column = at::remainder(i, window);
  const at::Tensor rows = row.unsqueeze(1) - row.unsqueeze(0) + (window - 1);
  const at::Tensor columns = column.unsqueeze(1) - column.unsqueeze(0) + (window - 1);
  return (rows * (2 * window - 1) + columns).reshape({-1});
}

// After the shift, a window at the border holds pixels of opposite sides of the image: -100 between
// them. (windows, window^2, window^2)
at::Tensor ShiftMask(int64_t height, int64_t width, int64_t window, int64_t shift) {
  const auto region = [&](int64_t size) {
    const at::Tensor i = at::arange(size, at::kLong);
    return (i >= size - window).to(at::kLong) + (i >= size - shift).to(at::kLong);
  };
  const at::Tensor label = region(height).unsqueeze(1) * 3 + region(width).unsqueeze(0);
  const at::Tensor windows = ToWindows(label.reshape({1, height, width, 1}), window).squeeze(2);
  return (windows.unsqueeze(1) != windows.unsqueeze(2)).to(at::kFloat) * -100.0;
}

at::Tensor WindowAttention(const Scope& scope, const at::Tensor& windows, int64_t heads,
                           const at::Tensor& position_index, const at::Tensor& mask) {
  const int64_t count = windows.size(0);
  const int64_t size = windows.size(1);
  const int64_t dim = windows.size(2);
  const at::Tensor qkv = Linear(windows, scope.Below("qkv"))
                             .reshape({count, size, 3, heads, dim / heads})
                             .permute({2, 0, 3, 1, 4});
  const double scale = std::pow(static_cast<double>(dim) / static_cast<double>(heads), -0.5);
  at::Tensor attention = at::matmul(qkv[0] * scale, qkv[1].transpose(-2, -1));
  const at::Tensor bias = scope.At("relative_position_bias_table")
                              .index_select(0, position_index)
                              .reshape({size, size, heads})
                              .permute({2, 0, 1});
  attention = attention + bias.unsqueeze(0);
  if (mask.defined()) {
    attention =
        (attention.reshape({-1, mask.size(0), heads, size, size}) + mask.unsqueeze(1).unsqueeze(0))
            .reshape({count, heads, size, size});
  }
  const at::Tensor mixed = at::matmul(at::softmax(attention, -1), qkv[2]);
  return Linear(mixed.transpose(1, 2).reshape({count, size, dim}), scope.Below("proj"));
}

}  // namespace

at::Tensor EncodeSwinIr(const SwinIrConfig& config, const Scope& scope, const at::Tensor& image) {
  const int64_t height = image.size(2);
  const int64_t width = image.size(3);
  const int64_t window = config.window;
  const int64_t shift = window / 2;
  const at::Tensor position_index = RelativePositionIndex(window).to(image.device());
  const at::Tensor mask =
      ShiftMask(height, width, window, shift).to(image.device(), image.scalar_type());

  const at::Tensor first = Conv(image, scope.Below("conv_first"));
  at::Tensor x = LayerNorm(first.permute({0, 2, 3, 1}), scope.Below("patch_embed.norm"));
  for (size_t layer = 0; layer < config.depths.size(); ++layer) {
    const Scope group = scope.Below(absl::StrCat("layers.", layer));
    const at::Tensor group_input = x;
    for (int i = 0; i < config.depths[layer]; ++i) {
      const Scope block = group.Below(absl::StrCat("residual_group.blocks.", i));
      const bool shifted = i % 2 == 1;  // also where the image is a single window
      at::Tensor y = LayerNorm(x, block.Below("norm1"));
      if (shifted) y = at::roll(y, {-shift, -shift}, {1, 2});
      y = WindowAttention(block.Below("attn"), ToWindows(y, window), config.heads[layer],
                          position_index, shifted ? mask : at::Tensor());
      y = FromWindows(y, window, height, width);
      if (shifted) y = at::roll(y, {shift, shift}, {1, 2});
      x = x + y;
      const Scope mlp = block.Below("mlp");
      x = x + Linear(at::gelu(Linear(LayerNorm(x, block.Below("norm2")), mlp.Below("fc1"))),
                     mlp.Below("fc2"));
    }
    x = Conv(x.permute({0, 3, 1, 2}), group.Below("conv")).permute({0, 2, 3, 1}) + group_input;
  }
  const at::Tensor body = LayerNorm(x, scope.Below("norm")).permute({0, 3, 1, 2});
  const at::Tensor deep = Conv(body, scope.Below("conv_after_body")) + first;
  if (config.output_features == 0) return deep;
  return at::leaky_relu(Conv(deep, scope.Below("conv_before_upsample.0")), 0.01);
}

}  // namespace hiif
