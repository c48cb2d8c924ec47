#include "model/decoders/folded.h"

#include "absl/strings/str_cat.h"

namespace hiif {
namespace {

constexpr double kNormEpsilon = 1e-5;
// Columns of the inputs beside x, filled up to what tensor cores take.
constexpr int64_t kExtra = 8;

at::Tensor ScaleOf(const at::Tensor& variance) {
  return (variance.clamp_min(0.0) + kNormEpsilon).rsqrt();
}

}  // namespace

absl::StatusOr<FoldedDecoder> FoldedDecoder::Create(const Network& network, at::Device device,
                                                    at::ScalarType type) {
  const auto* config = std::get_if<HiifConfig>(&network.config.decoder);
  if (config == nullptr || config->ablation != Ablation::kNone) {
    return absl::UnimplementedError("the torch backend serves the HIIF decoder without ablations");
  }
  const auto typed = [&](const at::Tensor& t) { return t.contiguous().to(device, type); };
  const auto precise = [&](const at::Tensor& t) { return t.contiguous().to(device, at::kFloat); };
  const Scope root(network.parameters, "");
  const int64_t width = config->width;
  FoldedDecoder self;
  self.config_ = *config;
  self.freq_ = typed(root.At("freq.weight").permute({0, 2, 3, 1}).flatten(1));
  self.freq_bias_ = typed(root.At("freq.bias"));

  for (int i = 0; i < config->levels; ++i) {
    const Scope scope = root.Below(absl::StrCat("fc_layers.", i));
    const at::Tensor weight = scope.At("fc1.weight");
    at::Tensor fc1 = weight * scope.At("norm.weight");
    // W (x - mean) = (W - mean of its rows) x
    fc1 = fc1 - fc1.mean(1, /*keepdim=*/true);
    const int64_t inputs = fc1.size(1);
    at::Tensor extra = at::zeros({kExtra, width});
    extra.slice(0, 0, 2).copy_(fc1.slice(1, inputs - 2).t());
    if (i == 0) extra.slice(0, 2, 4).copy_(fc1.slice(1, 4 * width, 4 * width + 2).t());
    extra[4].copy_(at::mv(weight, scope.At("norm.bias")) + scope.At("fc1.bias"));
    Level level;
    level.extra = typed(extra);
    // Level 0: the slots one below the other.
    level.fc1 = typed(i == 0 ? at::cat(fc1.slice(1, 0, 4 * width).split(width, 1), 0)
                             : fc1.slice(1, 0, width));
    at::Tensor fc2 = scope.At("fc2.weight");
    at::Tensor fc2_bias = scope.At("fc2.bias");
    if (i + 1 == config->levels) {
      level.fc2 = precise(at::constant_pad_nd(fc2, {0, 0, 0, kExtra - fc2.size(0)}));
      level.fc2_bias = precise(at::constant_pad_nd(fc2_bias, {0, kExtra - fc2_bias.size(0)}));
    } else {
      level.fc2 = typed(fc2);
      level.fc2_bias = typed(fc2_bias);
    }
    self.levels_.push_back(level);
  }

  const int64_t d = width / config->heads;
  for (int i = 0; i < config->attention_blocks; ++i) {
    const Scope scope = root.Below(absl::StrCat("conv", i));
    const at::Tensor qkv = scope.At("qkv_proj.weight").reshape({config->heads, 3 * d, width});
    const at::Tensor bias = scope.At("qkv_proj.bias").reshape({config->heads, 3 * d});
    self.attention_.push_back({.query = precise(qkv.slice(1, 0, d).flatten(0, 1)),
                               .query_bias = precise(bias.slice(1, 0, d).flatten()),
                               .kv = precise(qkv.slice(1, d).flatten(0, 1)),
                               .kv_bias = precise(bias.slice(1, d).flatten()),
                               .k_norm = precise(scope.At("kln.weight")),
                               .k_norm_bias = precise(scope.At("kln.bias")),
                               .v_norm = precise(scope.At("vln.weight")),
                               .v_norm_bias = precise(scope.At("vln.bias")),
                               .proj1 = precise(scope.At("proj1.weight")),
                               .proj1_bias = precise(scope.At("proj1.bias")),
                               .proj2 = typed(scope.At("proj2.weight")),
                               .proj2_bias = typed(scope.At("proj2.bias"))});
  }
  return self;
}

int64_t FoldedDecoder::weights_bytes() const {
  size_t bytes = freq_.nbytes();
  for (const Level& level : levels_) bytes += level.fc1.nbytes() + level.fc2.nbytes();
  for (const Attention& attention : attention_) {
    bytes += attention.query.nbytes() + attention.kv.nbytes() + attention.proj1.nbytes() +
             attention.proj2.nbytes();
  }
  return static_cast<int64_t>(bytes);
}

ProjectedPixels FoldedDecoder::Project(const at::Tensor& patches) const {
  const at::Tensor features = at::linear(patches, freq_, freq_bias_);
  const at::Tensor precise = features.to(at::kFloat);
  return {at::linear(features, levels_[0].fc1).reshape({-1, config_.width}), precise.sum(1),
          precise.square().sum(1)};
}

at::Tensor FoldedDecoder::NormGelu(const Level& level, at::Tensor y, const at::Tensor& scale,
                                   const at::Tensor& bits, const at::Tensor& cell) const {
  at::Tensor inputs = at::zeros({y.size(0), kExtra}, scale.options());
  inputs.slice(1, 0, 2).copy_(bits * scale);
  if (cell.defined()) inputs.slice(1, 2, 4).copy_(cell * scale);
  inputs.select(1, 4).fill_(1.0);
  y.mul_(scale).addmm_(inputs.to(y.scalar_type()), level.extra);
  return at::gelu(y);
}

at::Tensor FoldedDecoder::Begin(const ProjectedPixels& pixels, const FoldedQueries& queries) const {
  const at::Tensor& bits = queries.bits[0];
  const double inputs = 4.0 * config_.width + 4.0;
  const at::Tensor index = queries.pixel.flatten();
  const auto weighted = [&](const at::Tensor& statistic, const at::Tensor& weight) {
    return (statistic.index_select(0, index).reshape_as(weight) * weight).sum(1);
  };
  const at::Tensor mean =
      (weighted(pixels.sum, queries.weight) + queries.cell.sum(1) + bits.sum(1)) / inputs;
  const at::Tensor variance = (weighted(pixels.sum_squares, queries.weight.square()) +
                               queries.cell.square().sum(1) + bits.sum(1)) /
                                  inputs -
                              mean.square();
  // The weighted sum of the four neighbours' rows, without a copy of them.
  const at::Tensor rows = (queries.pixel * 4 + at::arange(4, queries.pixel.options())).flatten();
  const at::Tensor y = std::get<0>(
      at::embedding_bag(pixels.slots, rows, at::arange(0, rows.size(0), 4, rows.options()),
                        /*scale_grad_by_freq=*/false, /*mode=*/0, /*sparse=*/false,
                        queries.weight.flatten().to(pixels.slots.scalar_type())));
  const Level& level = levels_[0];
  return at::linear(NormGelu(level, y, ScaleOf(variance).unsqueeze(1), bits, queries.cell),
                    level.fc2, level.fc2_bias);
}

at::Tensor FoldedDecoder::Attend(int block, const at::Tensor& x, const at::Tensor& projection,
                                 const at::Tensor& bias) const {
  const at::Tensor groups = x.reshape({projection.size(0), -1, config_.width});
  const at::Tensor hidden = at::gelu(at::baddbmm(bias, groups, projection)).reshape_as(x);
  return at::linear(hidden, attention_[block].proj2, attention_[block].proj2_bias).add_(x);
}

at::Tensor FoldedDecoder::Finish(at::Tensor x, const FoldedQueries& queries) const {
  const double width = config_.width;
  for (int i = 1; i < config_.levels; ++i) {
    const Level& level = levels_[i];
    const at::Tensor bits = queries.bits[i];
    const at::Tensor ones = bits.sum(1);
    const auto [variance_x, mean_x] =
        at::var_mean(x.to(at::kFloat), at::IntArrayRef{1}, /*unbiased=*/false);
    const at::Tensor mean = (mean_x * width + ones) / (width + 2.0);
    const at::Tensor variance = ((variance_x + (mean_x - mean).square()) * width +
                                 ones * (1.0 - mean).square() + (2.0 - ones) * mean.square()) /
                                (width + 2.0);
    const at::Tensor hidden = NormGelu(level, at::linear(x, level.fc1),
                                       ScaleOf(variance).unsqueeze(1), bits, at::Tensor());
    x = at::linear(hidden.to(level.fc2.scalar_type()), level.fc2, level.fc2_bias);
  }
  return x.slice(1, 0, 3);
}

at::Tensor FoldedDecoder::ContextSum(int block, const at::Tensor& x) const {
  const Attention& attention = attention_[block];
  const int64_t d = config_.width / config_.heads;
  const at::Tensor kv = at::linear(x.to(at::kFloat), attention.kv, attention.kv_bias)
                            .reshape({x.size(0), config_.heads, 2 * d});
  const at::Tensor k =
      at::layer_norm(kv.slice(2, 0, d), {d}, attention.k_norm, attention.k_norm_bias, kNormEpsilon);
  const at::Tensor v =
      at::layer_norm(kv.slice(2, d), {d}, attention.v_norm, attention.v_norm_bias, kNormEpsilon);
  return at::bmm(k.permute({1, 2, 0}), v.transpose(0, 1));
}

void FoldedDecoder::Fold(int block, const at::Tensor& kv, FoldedAttention& attention) const {
  const Attention& a = attention_[block];
  const int64_t d = config_.width / config_.heads;
  // x + q KV = mixing x + offset, head by head.
  const at::Tensor transposed = kv.transpose(1, 2);
  const at::Tensor mixing =
      at::bmm(transposed, a.query.reshape({config_.heads, d, -1})).flatten(0, 1) +
      at::eye(config_.width, a.query.options());
  const at::Tensor offset =
      at::bmm(transposed, a.query_bias.reshape({config_.heads, d, 1})).flatten();
  const at::ScalarType type = a.proj2.scalar_type();
  attention.projection.push_back(at::mm(a.proj1, mixing).t().contiguous().to(type));
  attention.bias.push_back((at::mv(a.proj1, offset) + a.proj1_bias).unsqueeze(0).to(type));
}

}  // namespace hiif
