#include "model/encoders/dat_layers.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"

namespace hiif {
at::Tensor Planes(const at::Tensor& tokens) { return tokens.permute({0, 3, 1, 2}); }
at::Tensor Tokens(const at::Tensor& planes) { return planes.permute({0, 2, 3, 1}); }

namespace {

at::Tensor Pointwise(const at::Tensor& tokens, const Scope& scope) {  // a 1x1 convolution
  return at::linear(tokens, scope.At("weight").flatten(1), scope.At("bias"));
}

// Rows of an image.
struct Strip {
  int64_t top;
  int64_t rows;
};

// Calls make(strip) for strips of `rows` rows from the top down; what it returns, (N,rows,w,C), is
// put together.
at::Tensor ByStrips(int64_t height, int64_t rows, const Heartbeat& beat,
                    const std::function<at::Tensor(Strip)>& make) {
  std::vector<at::Tensor> parts;
  for (int64_t top = 0; top < height; top += rows) {
    Beat(beat);
    parts.push_back(make({top, std::min(rows, height - top)}));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

// The strip and the row above and below it, where there is one.
at::Tensor WithNeighbours(const at::Tensor& x, Strip strip) {
  return x.slice(1, std::max<int64_t>(0, strip.top - 1),
                 std::min(x.size(1), strip.top + strip.rows + 1));
}

// 3x3 on each channel. x: WithNeighbours() of the strip, or a function of it.
at::Tensor DepthwiseConv(const at::Tensor& x, Strip strip, const Scope& scope) {
  const int64_t above = strip.top > 0 ? 1 : 0;
  return Tokens(at::conv2d(Planes(x), scope.At("weight"), scope.At("bias"), /*stride=*/1,
                           /*padding=*/1, /*dilation=*/1, /*groups=*/x.size(3)))
      .slice(1, above, above + strip.rows);
}

}  // namespace

at::Tensor DatMean() { return at::tensor({0.4488f, 0.4371f, 0.4040f}).reshape({1, 3, 1, 1}); }

at::Tensor ResidualConvs(const at::Tensor& planes, const Scope& scope) {
  const at::Tensor narrow = at::leaky_relu(Conv(planes, scope.Below("0")), 0.2);
  return Conv(at::leaky_relu(Conv(narrow, scope.Below("2")), 0.2), scope.Below("4"));
}

namespace {

// One number a channel from the channels' means, (N,1,1,C); one a pixel from its channels.
at::Tensor ChannelMap(const at::Tensor& mean, const Scope& attention) {
  const Scope scope = attention.Below("channel_interaction");
  return at::sigmoid(Pointwise(at::gelu(Pointwise(mean, scope.Below("1"))), scope.Below("4")));
}
at::Tensor SpatialMap(const at::Tensor& x, const Scope& attention) {
  const Scope scope = attention.Below("spatial_interaction");
  return at::sigmoid(Pointwise(at::gelu(Pointwise(x, scope.Below("0"))), scope.Below("3")));
}

// Rows [first, first + count) of the fused q, k, v of a token.
at::Tensor PartOfQkv(const at::Tensor& x, const Scope& attention, int64_t first, int64_t count) {
  const Scope qkv = attention.Below("qkv");
  return at::linear(x, qkv.At("weight").narrow(0, first, count),
                    qkv.At("bias").narrow(0, first, count));
}

// Windows of rows x columns, moved by shift_rows, shift_columns around the padded image.
struct Windows {
  int64_t rows, columns;
  int64_t shift_rows, shift_columns;
};

// What the attention of two pixels of a window gets for their distance: (1,heads,n,n), n = rows *
// columns.
at::Tensor PositionBias(const Scope& scope, const Windows& windows) {
  const auto& options = scope.At("pos_proj.weight").options();
  const auto distances = [&](int64_t size) { return at::arange(1 - size, size, options); };
  const at::Tensor row = distances(windows.rows).unsqueeze(1);
  const at::Tensor column = distances(windows.columns).unsqueeze(0);
  at::Tensor x = Linear(at::stack({row.expand({row.size(0), column.size(1)}).flatten(),
                                   column.expand({row.size(0), column.size(1)}).flatten()},
                                  1),
                        scope.Below("pos_proj"));
  for (const char* layer : {"pos1", "pos2", "pos3"}) {
    x = Linear(at::relu(LayerNorm(x, scope.Below(layer).Below("0"))),
               scope.Below(layer).Below("2"));
  }
  const int64_t n = windows.rows * windows.columns;
  const at::Tensor i = at::arange(n, options.dtype(at::kLong));
  const at::Tensor r = at::floor_divide(i, windows.columns);
  const at::Tensor c = at::remainder(i, windows.columns);
  const at::Tensor index =
      (r.unsqueeze(1) - r.unsqueeze(0) + (windows.rows - 1)) * (2 * windows.columns - 1) +
      (c.unsqueeze(1) - c.unsqueeze(0) + (windows.columns - 1));
  return x.index_select(0, index.flatten()).reshape({n, n, -1}).permute({2, 0, 1}).unsqueeze(0);
}

// (N,H,W,C), H and W multiples of the window's sides, to (N * windows, n, C), and back.
at::Tensor ToWindows(const at::Tensor& x, const Windows& w) {
  return x
      .reshape({x.size(0), x.size(1) / w.rows, w.rows, x.size(2) / w.columns, w.columns, x.size(3)})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({-1, w.rows * w.columns, x.size(3)});
}
at::Tensor FromWindows(const at::Tensor& x, const Windows& w, int64_t height, int64_t width) {
  return x.reshape({-1, height / w.rows, width / w.columns, w.rows, w.columns, x.size(2)})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({-1, height, width, x.size(2)});
}

// After a shift, windows at the border hold pixels of opposite sides, which do not see each other:
// the side of each place of an axis of `size` places from `begin` on.
at::Tensor Sides(int64_t begin, int64_t count, int64_t size, int64_t window, int64_t shift) {
  const at::Tensor i = at::arange(begin, begin + count, at::kLong);
  return (i >= size - window).to(at::kLong) + (i >= size - shift).to(at::kLong);
}

// Attention in the windows of one strip. qkv: (N,H,W,3C), q of all heads first; label: (1,H,W,1),
// undefined where there is no shift.
at::Tensor WindowAttention(const at::Tensor& qkv, const Windows& shape, int64_t heads,
                           const at::Tensor& bias, const at::Tensor& label) {
  const int64_t dim = qkv.size(3) / 3;
  const int64_t n = shape.rows * shape.columns;
  const at::Tensor windows = ToWindows(qkv, shape);
  const bool on_cpu = qkv.is_cpu();
  at::Tensor labels;
  if (label.defined()) {
    labels = ToWindows(label.expand({qkv.size(0), -1, -1, -1}), shape).squeeze(2).to(qkv.device());
  }
  std::vector<at::Tensor> out;
  const int64_t at_once = on_cpu ? kWindowsAtOnce : kWindowsOfDevice;
  for (int64_t i = 0; i < windows.size(0); i += at_once) {
    const at::Tensor part = windows.slice(0, i, i + at_once);
    const at::Tensor split =
        part.reshape({part.size(0), n, 3, heads, dim / heads}).permute({2, 0, 3, 1, 4});
    at::Tensor added = bias;
    if (labels.defined()) {
      const at::Tensor l = labels.slice(0, i, i + at_once);
      const at::Tensor apart = l.unsqueeze(1) != l.unsqueeze(2);
      // A device would have to be waited for.
      if (!on_cpu || apart.any().item<bool>()) {
        added = bias + (apart.to(bias.scalar_type()) * -100.0).unsqueeze(1);
      }
    }
    out.push_back(at::scaled_dot_product_attention(split[0], split[1], split[2],
                                                   added.expand({part.size(0), -1, -1, -1}))
                      .transpose(1, 2)
                      .reshape({part.size(0), n, dim}));
  }
  return FromWindows(at::cat(out), shape, qkv.size(1), qkv.size(2));
}

// One half of the heads, which attends in windows of its own shape: (N,h,w,C/2). x is normalised.
at::Tensor HalfAttention(const DatConfig& config, const at::Tensor& x, const Scope& attention,
                         int64_t half, const Windows& windows, int64_t heads,
                         const Heartbeat& beat) {
  const int64_t height = x.size(1);
  const int64_t width = x.size(2);
  const int64_t side = config.window_long;
  const auto up = [&](int64_t n) { return (n + side - 1) / side * side; };
  const int64_t padded_height = up(height);
  const int64_t padded_width = up(width);
  const int64_t dim = config.embed_dim / 2;
  const at::Tensor bias =
      PositionBias(attention.Below(absl::StrCat("attns.", half, ".pos")), windows);
  const bool shifted = windows.shift_rows > 0;
  const at::Tensor columns =
      Sides(0, padded_width, padded_width, windows.columns, windows.shift_columns);
  at::Tensor out = ByStrips(padded_height, side, beat, [&](Strip strip) {
    const at::Tensor row =
        at::remainder(at::arange(strip.top, strip.top + strip.rows) + windows.shift_rows,
                      padded_height)
            .to(x.device());
    const at::Tensor taken = x.index_select(1, at::clamp_max(row, height - 1));
    std::vector<at::Tensor> parts;
    for (int64_t i = 0; i < 3; ++i) {
      parts.push_back(PartOfQkv(taken, attention, i * 2 * dim + half * dim, dim));
    }
    // Beyond the image q, k and v are 0, and take part.
    at::Tensor qkv = at::cat(parts, 3) * (row < height).to(x.scalar_type()).reshape({1, -1, 1, 1});
    qkv = at::constant_pad_nd(qkv, {0, 0, 0, padded_width - width});
    at::Tensor label;
    if (shifted) {
      qkv = at::roll(qkv, {-windows.shift_columns}, {2});
      label = (Sides(strip.top, strip.rows, padded_height, windows.rows, windows.shift_rows)
                       .unsqueeze(1) *
                   3 +
               columns)
                  .reshape({1, strip.rows, padded_width, 1});
    }
    at::Tensor y = WindowAttention(qkv, windows, heads, bias, label);
    if (shifted) y = at::roll(y, {windows.shift_columns}, {2});
    return y.slice(2, 0, width);
  });
  if (shifted) out = at::roll(out, {windows.shift_rows}, {1});
  return out.slice(1, 0, height);
}

}  // namespace

at::Tensor SpatialAttention(const DatConfig& config, const at::Tensor& x, const Scope& attention,
                            int64_t heads, bool shifted, const Heartbeat& beat) {
  const int64_t narrow = config.window_short;
  const int64_t wide = config.window_long;
  const int64_t down = shifted ? narrow / 2 : 0;
  const int64_t along = shifted ? wide / 2 : 0;
  const at::Tensor attended = at::cat(
      {HalfAttention(config, x, attention, 0, {narrow, wide, down, along}, heads / 2, beat),
       HalfAttention(config, x, attention, 1, {wide, narrow, along, down}, heads / 2, beat)},
      3);
  const int64_t dim = config.embed_dim;
  const auto convolved = [&](Strip strip) {
    return at::gelu(DepthwiseConv(PartOfQkv(WithNeighbours(x, strip), attention, 2 * dim, dim),
                                  strip, attention.Below("dwconv.0")));
  };
  at::Tensor sum;
  ByStrips(x.size(1), wide, beat, [&](Strip strip) {
    const at::Tensor part = convolved(strip).sum({1, 2}, /*keepdim=*/true);
    sum = sum.defined() ? sum + part : part;
    return part;
  });
  const at::Tensor channel_map =
      ChannelMap(sum / static_cast<double>(x.size(1) * x.size(2)), attention);
  return ByStrips(x.size(1), wide, beat, [&](Strip strip) {
    const at::Tensor own = attended.slice(1, strip.top, strip.top + strip.rows);
    return Linear(own * channel_map + SpatialMap(own, attention) * convolved(strip),
                  attention.Below("proj"));
  });
}

at::Tensor ChannelAttention(const DatConfig& config, const at::Tensor& x, const Scope& attention,
                            int64_t heads, const Heartbeat& beat) {
  const int64_t dim = config.embed_dim;
  const int64_t batch = x.size(0);
  // Over the whole image: q^T k of each head, |q|^2 and |k|^2 of each channel, the sum of v.
  at::Tensor products, q_squares, k_squares, v_sum;
  const auto add = [](at::Tensor& sum, const at::Tensor& part) {
    sum = sum.defined() ? sum + part : part;
  };
  ByStrips(x.size(1), config.window_long, beat, [&](Strip strip) {
    const at::Tensor rows = x.slice(1, strip.top, strip.top + strip.rows);
    const auto part = [&](int64_t i) {
      return PartOfQkv(rows, attention, i * dim, dim)
          .reshape({batch, -1, heads, dim / heads})
          .permute({0, 2, 3, 1});  // (N,heads,d,pixels)
    };
    const at::Tensor q = part(0);
    const at::Tensor k = part(1);
    add(products, at::matmul(q, k.transpose(-2, -1)).to(at::kFloat));
    add(q_squares, q.to(at::kFloat).square().sum(-1, /*keepdim=*/true));
    add(k_squares, k.to(at::kFloat).square().sum(-1, /*keepdim=*/true));
    add(v_sum, part(2).to(at::kFloat).sum(-1));
    return q_squares;
  });
  const auto norm = [](const at::Tensor& squares) { return squares.sqrt().clamp_min(1e-12); };
  const at::Tensor mixing = at::softmax(
      products / norm(q_squares) / norm(k_squares).transpose(-2, -1) * attention.At("temperature"),
      -1);  // (N,heads,d,d)
  const at::Tensor mean = at::matmul(mixing, v_sum.unsqueeze(-1)).reshape({batch, 1, 1, dim}) /
                          static_cast<double>(x.size(1) * x.size(2));
  const at::Tensor channel_map = ChannelMap(mean, attention);
  return ByStrips(x.size(1), config.window_long, beat, [&](Strip strip) {
    const at::Tensor v = PartOfQkv(WithNeighbours(x, strip), attention, 2 * dim, dim);
    const int64_t above = strip.top > 0 ? 1 : 0;
    const at::Tensor attended = at::matmul(mixing, v.slice(1, above, above + strip.rows)
                                                       .reshape({batch, -1, heads, dim / heads})
                                                       .permute({0, 2, 3, 1}))
                                    .permute({0, 3, 1, 2})
                                    .reshape({batch, strip.rows, x.size(2), dim});
    const at::Tensor convolved = at::gelu(DepthwiseConv(v, strip, attention.Below("dwconv.0")));
    return Linear(attended * SpatialMap(convolved, attention) + convolved * channel_map,
                  attention.Below("proj"));
  });
}

at::Tensor FeedForward(const DatConfig& config, const at::Tensor& x, const Scope& block,
                       const Heartbeat& beat) {
  const Scope ffn = block.Below("ffn");
  return ByStrips(x.size(1), config.window_long, beat, [&](Strip strip) {
    const at::Tensor hidden = at::gelu(
        Linear(LayerNorm(WithNeighbours(x, strip), block.Below("norm2")), ffn.Below("fc1")));
    const std::vector<at::Tensor> halves = hidden.chunk(2, -1);
    const int64_t above = strip.top > 0 ? 1 : 0;
    return Linear(
        halves[0].slice(1, above, above + strip.rows) *
            DepthwiseConv(LayerNorm(halves[1], ffn.Below("sg.norm")), strip, ffn.Below("sg.conv")),
        ffn.Below("fc2"));
  });
}

}  // namespace hiif
