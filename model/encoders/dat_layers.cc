#include "model/encoders/dat_layers.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/encoders/windows.h"
#include "model/layers/parallel.h"

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
int64_t CountOfStrips(int64_t height, int64_t rows) { return (height + rows - 1) / rows; }

// Calls run(index, strip) for strips of `rows` rows, several at a time on a CPU where no gradient
// is taken.
void ForStrips(const at::Tensor& x, int64_t height, int64_t rows, const Heartbeat& beat,
               const std::function<void(int64_t, Strip)>& run) {
  const auto one = [&](int64_t i) {
    Beat(beat);
    run(i, {i * rows, std::min(rows, height - i * rows)});
  };
  const int64_t count = CountOfStrips(height, rows);
  if (x.is_cpu() && !TakesGradient()) return InParallel(count, kStripsAtOnce, one);
  for (int64_t i = 0; i < count; ++i) one(i);
}

// What make(strip) returns, (N,rows,w,C), put together.
at::Tensor ByStrips(const at::Tensor& x, int64_t height, int64_t rows, const Heartbeat& beat,
                    const std::function<at::Tensor(Strip)>& make) {
  std::vector<at::Tensor> parts(CountOfStrips(height, rows));
  ForStrips(x, height, rows, beat, [&](int64_t i, Strip strip) { parts[i] = make(strip); });
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

at::Tensor Sum(const std::vector<at::Tensor>& parts) {
  at::Tensor sum = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) sum = sum + parts[i];
  return sum;
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
  return OnOneThread([&] {
    const at::Tensor narrow = at::leaky_relu(Conv(planes, scope.Below("0")), 0.2);
    return Conv(at::leaky_relu(Conv(narrow, scope.Below("2")), 0.2), scope.Below("4"));
  });
}

at::Tensor AttendByChunks(const at::Tensor& qkv, int64_t heads, const at::Tensor& bias,
                          const at::Tensor& sides) {
  const int64_t dim = qkv.size(2) / 3;
  const int64_t n = qkv.size(1);
  const bool on_cpu = qkv.is_cpu();
  at::Tensor labels = SidesOfAll(sides, qkv.size(0));
  if (labels.defined()) labels = labels.to(qkv.device());
  std::vector<at::Tensor> out;
  const int64_t at_once = on_cpu ? kWindowsAtOnce : kWindowsOfDevice;
  for (int64_t i = 0; i < qkv.size(0); i += at_once) {
    const at::Tensor part = qkv.slice(0, i, i + at_once);
    const at::Tensor split =
        part.reshape({part.size(0), n, 3, heads, dim / heads}).permute({2, 0, 3, 1, 4});
    at::Tensor added = bias.unsqueeze(0);
    if (labels.defined()) {
      const at::Tensor mask = ShiftMask(labels.slice(0, i, i + at_once)).to(bias.scalar_type());
      // A device would have to be waited for.
      if (!on_cpu || mask.any().item<bool>()) added = bias + mask.unsqueeze(1);
    }
    out.push_back(at::scaled_dot_product_attention(split[0], split[1], split[2],
                                                   added.expand({part.size(0), -1, -1, -1}))
                      .transpose(1, 2)
                      .reshape({part.size(0), n, dim}));
  }
  return at::cat(out);
}

namespace {

// One number a channel from the channels' means, (N,1,1,C); one a pixel from its channels.
at::Tensor ChannelMap(const at::Tensor& mean, const Scope& attention) {
  const Scope scope = attention.Below("channel_interaction");
  return OnOneThread([&] {
    return at::sigmoid(Pointwise(at::gelu(Pointwise(mean, scope.Below("1"))), scope.Below("4")));
  });
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

// What the attention of two pixels of a window gets for their distance: (heads, pixels, pixels).
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
  const int64_t n = windows.pixels();
  const at::Tensor index = RelativePositionIndex(windows).to(x.device());
  return x.index_select(0, index).reshape({n, n, -1}).permute({2, 0, 1});
}

// q, k and v of one half of the heads: rows of the fused weights.
struct HalfOfQkv {
  HalfOfQkv(const Scope& qkv, int64_t half, int64_t dim) {
    const auto rows = [&](const char* name) {
      return qkv.At(name).unflatten(0, {3, 2, dim}).select(1, half).flatten(0, 1).contiguous();
    };
    weight = rows("weight");
    bias = rows("bias");
  }
  at::Tensor weight, bias;
};

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
  const HalfOfQkv half_of_qkv(attention.Below("qkv"), half, config.embed_dim / 2);
  const bool by_loops = AttendsByLoops(x);
  const at::Tensor bias = OnOneThread([&] {
    const Scope position = attention.Below(absl::StrCat("attns.", half, ".pos"));
    return by_loops ? BiasForLoops(PositionBias(position, windows))
                    : PositionBias(position, windows);
  });
  const bool shifted = windows.shift_rows > 0;
  at::Tensor out = ByStrips(x, padded_height, side, beat, [&](Strip strip) {
    const int64_t end = strip.top + strip.rows + windows.shift_rows;
    const at::Tensor row =
        at::remainder(at::arange(strip.top + windows.shift_rows, end), padded_height)
            .to(x.device());
    const at::Tensor taken = x.index_select(1, at::clamp_max(row, height - 1));
    at::Tensor qkv = at::linear(taken, half_of_qkv.weight, half_of_qkv.bias);
    // Beyond the image q, k and v are 0, and take part.
    if (end > height) qkv = qkv * (row < height).to(qkv.scalar_type()).reshape({1, -1, 1, 1});
    if (padded_width > width) qkv = at::constant_pad_nd(qkv, {0, 0, 0, padded_width - width});
    at::Tensor sides;
    if (shifted) {
      qkv = at::roll(qkv, {-windows.shift_columns}, {2});
      sides = Sides(padded_height, padded_width, windows, strip.top, strip.top + strip.rows);
    }
    qkv = ToWindows(qkv, windows);
    at::Tensor y = FromWindows(
        by_loops ? AttendByLoops(qkv, heads, bias, sides) : AttendByChunks(qkv, heads, bias, sides),
        windows, strip.rows, padded_width);
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
  std::vector<at::Tensor> sums(CountOfStrips(x.size(1), wide));
  ForStrips(x, x.size(1), wide, beat, [&](int64_t i, Strip strip) {
    sums[i] = convolved(strip).sum({1, 2}, /*keepdim=*/true);
  });
  const at::Tensor channel_map =
      ChannelMap(Sum(sums) / static_cast<double>(x.size(1) * x.size(2)), attention);
  return ByStrips(x, x.size(1), wide, beat, [&](Strip strip) {
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
  const size_t strips = CountOfStrips(x.size(1), config.window_long);
  std::vector<at::Tensor> products(strips), q_squares(strips), k_squares(strips), v_sum(strips);
  ForStrips(x, x.size(1), config.window_long, beat, [&](int64_t i, Strip strip) {
    const at::Tensor rows = x.slice(1, strip.top, strip.top + strip.rows);
    const auto part = [&](int64_t which) {
      return PartOfQkv(rows, attention, which * dim, dim)
          .reshape({batch, -1, heads, dim / heads})
          .permute({0, 2, 3, 1});  // (N,heads,d,pixels)
    };
    const at::Tensor q = part(0);
    const at::Tensor k = part(1);
    products[i] = at::matmul(q, k.transpose(-2, -1)).to(at::kFloat);
    q_squares[i] = q.to(at::kFloat).square().sum(-1, /*keepdim=*/true);
    k_squares[i] = k.to(at::kFloat).square().sum(-1, /*keepdim=*/true);
    v_sum[i] = part(2).to(at::kFloat).sum(-1);
  });
  const auto norm = [](const at::Tensor& squares) { return squares.sqrt().clamp_min(1e-12); };
  const at::Tensor mixing =
      at::softmax(Sum(products) / norm(Sum(q_squares)) / norm(Sum(k_squares)).transpose(-2, -1) *
                      attention.At("temperature"),
                  -1);  // (N,heads,d,d)
  const at::Tensor mean = OnOneThread([&] {
    return at::matmul(mixing, Sum(v_sum).unsqueeze(-1)).reshape({batch, 1, 1, dim}) /
           static_cast<double>(x.size(1) * x.size(2));
  });
  const at::Tensor channel_map = ChannelMap(mean, attention);
  return ByStrips(x, x.size(1), config.window_long, beat, [&](Strip strip) {
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
  return ByStrips(x, x.size(1), config.window_long, beat, [&](Strip strip) {
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
