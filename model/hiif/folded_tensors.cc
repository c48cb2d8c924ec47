#include "model/hiif/folded_tensors.h"

namespace hiif {
namespace {

constexpr double kNormEpsilon = 1e-5;
// Columns of the inputs beside x, filled up to what tensor cores take.
constexpr int64_t kExtra = 8;

at::Tensor ScaleOf(const at::Tensor& variance) {
  return (variance.clamp_min(0.0) + kNormEpsilon).rsqrt();
}

}  // namespace

FoldedDecoder::FoldedDecoder(const FoldedHiif& folded, at::Device device, at::ScalarType type)
    : config_(folded.config) {
  const HiifConfig& config = folded.config;
  const int64_t width = config.width;
  const auto matrix = [&](const std::vector<float>& values, int64_t rows) {
    return at::from_blob(const_cast<float*>(values.data()),
                         {rows, static_cast<int64_t>(values.size()) / rows}, at::kFloat)
        .clone();
  };
  const auto typed = [&](const at::Tensor& t) { return t.contiguous().to(device, type); };
  const auto precise = [&](const at::Tensor& t) { return t.contiguous().to(device, at::kFloat); };
  const auto vector = [&](const std::vector<float>& values) {
    return matrix(values, 1).squeeze(0);
  };
  freq_ = typed(matrix(folded.freq, width));
  freq_bias_ = typed(vector(folded.freq_bias));
  for (int i = 0; i < config.levels; ++i) {
    const FoldedLevel& from = folded.levels[i];
    const std::vector<float> centred = Centred(from);
    const at::Tensor fc1 = matrix(centred, width);
    const int64_t inputs = from.inputs;
    at::Tensor extra = at::zeros({kExtra, width});
    extra.slice(0, 0, 2).copy_(fc1.slice(1, inputs - 2).t());
    if (i == 0) extra.slice(0, 2, 4).copy_(fc1.slice(1, 4 * width, 4 * width + 2).t());
    extra[4].copy_(vector(from.bias));
    Level level;
    level.extra = typed(extra);
    level.fc1 = typed(i == 0 ? matrix(folded.Slots(centred), 4 * width) : fc1.slice(1, 0, width));
    const at::Tensor fc2_bias = vector(from.fc2_bias);
    const at::Tensor fc2 = matrix(from.fc2, fc2_bias.size(0));
    if (i + 1 == config.levels) {
      level.fc2 = precise(at::constant_pad_nd(fc2, {0, 0, 0, kExtra - fc2.size(0)}));
      level.fc2_bias = precise(at::constant_pad_nd(fc2_bias, {0, kExtra - fc2_bias.size(0)}));
    } else {
      level.fc2 = typed(fc2);
      level.fc2_bias = typed(fc2_bias);
    }
    levels_.push_back(level);
  }
  for (const FoldedAttention& from : folded.attention) {
    attention_.push_back(
        {.kv = precise(matrix(from.kv, 2 * width)),
         .kv_bias = precise(vector(from.kv_bias)),
         .k_norm = precise(vector(from.k_norm)),
         .k_norm_bias = precise(vector(from.k_norm_bias)),
         .v_norm = precise(vector(from.v_norm)),
         .v_norm_bias = precise(vector(from.v_norm_bias)),
         .query = precise(matrix(from.query, width)).reshape({config.heads, -1, width}),
         .query_bias = precise(vector(from.query_bias)).reshape({config.heads, -1, 1}),
         .proj1 = precise(matrix(from.proj1, width)),
         .proj1_bias = precise(vector(from.proj1_bias)),
         .proj2 = typed(matrix(from.proj2, width)),
         .proj2_bias = typed(vector(from.proj2_bias))});
  }
}

int64_t FoldedDecoder::weights_bytes() const {
  size_t bytes = freq_.nbytes();
  for (const Level& level : levels_) bytes += level.fc1.nbytes() + level.fc2.nbytes();
  for (const Attention& attention : attention_) {
    bytes += attention.kv.nbytes() + attention.query.nbytes() + attention.proj1.nbytes() +
             attention.proj2.nbytes();
  }
  return static_cast<int64_t>(bytes);
}

ProjectedPixels FoldedDecoder::Project(const at::Tensor& patches, int64_t rows) const {
  const int64_t count = patches.size(0);
  const at::Tensor features = at::empty({count, width()}, patches.options());
  const at::Tensor slots = at::empty({count, 4 * width()}, patches.options());
  for (int64_t begin = 0; begin < count; begin += rows) {
    at::Tensor part = features.slice(0, begin, begin + rows);
    at::addmm_out(part, freq_bias_, patches.slice(0, begin, begin + rows), freq_.t());
    at::Tensor projected = slots.slice(0, begin, begin + rows);
    at::mm_out(projected, part, levels_[0].fc1.t());
  }
  const at::Tensor precise = features.to(at::kFloat);
  return {slots.reshape({-1, width()}), precise.sum(1), precise.square().sum(1)};
}

at::Tensor FoldedDecoder::NormGelu(const Level& level, const at::Tensor& y, const at::Tensor& scale,
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
  const double inputs = 4.0 * static_cast<double>(width()) + 4.0;
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
  const at::Tensor groups = x.reshape({projection.size(0), -1, width()});
  const at::Tensor hidden = at::gelu(at::baddbmm(bias, groups, projection)).reshape_as(x);
  return at::linear(hidden, attention_[block].proj2, attention_[block].proj2_bias).add_(x);
}

at::Tensor FoldedDecoder::Finish(at::Tensor x, const FoldedQueries& queries) const {
  const auto width = static_cast<double>(config_.width);
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
  const int64_t d = width() / config_.heads;
  const at::Tensor kv = at::linear(x.to(at::kFloat), attention.kv, attention.kv_bias)
                            .reshape({x.size(0), config_.heads, 2 * d});
  const at::Tensor k =
      at::layer_norm(kv.slice(2, 0, d), {d}, attention.k_norm, attention.k_norm_bias, kNormEpsilon);
  const at::Tensor v =
      at::layer_norm(kv.slice(2, d), {d}, attention.v_norm, attention.v_norm_bias, kNormEpsilon);
  return at::bmm(k.permute({1, 2, 0}), v.transpose(0, 1));
}

void FoldedDecoder::Fold(const at::Tensor& kv, FoldedTensors& attention) const {
  const Attention& block = attention_[attention.projection.size()];
  // mixing = I + blockdiag(KV)^T Wq, so that x + q KV = mixing x + offset.
  const at::Tensor transposed = kv.to(at::kFloat).transpose(1, 2);
  const at::Tensor mixing = at::bmm(transposed, block.query).reshape({width(), width()}) +
                            at::eye(width(), block.query.options());
  const at::Tensor offset = at::bmm(transposed, block.query_bias).reshape({width(), 1});
  const auto type = block.proj2.scalar_type();
  attention.projection.push_back(block.proj1.mm(mixing).t().contiguous().to(type));
  attention.bias.push_back(
      (block.proj1.mm(offset).squeeze(1) + block.proj1_bias).unsqueeze(0).to(type));
}

}  // namespace hiif
