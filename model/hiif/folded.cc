#include "model/hiif/folded.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/hiif/weight_algebra.h"

namespace hiif {
namespace {

using algebra::Plus;
using algebra::ScaleColumns;
using algebra::Times;

absl::StatusOr<FoldedLevel> FoldLevel(const Safetensors& parameters, int level) {
  const std::string prefix = absl::StrCat("fc_layers.", level, ".");
  FoldedLevel out;
  HIIF_ASSIGN_OR_RETURN(const auto norm_weight, parameters.Floats(prefix + "norm.weight"));
  HIIF_ASSIGN_OR_RETURN(const auto norm_bias, parameters.Floats(prefix + "norm.bias"));
  HIIF_ASSIGN_OR_RETURN(out.fc1, parameters.Floats(prefix + "fc1.weight"));
  HIIF_ASSIGN_OR_RETURN(const auto fc1_bias, parameters.Floats(prefix + "fc1.bias"));
  HIIF_ASSIGN_OR_RETURN(out.fc2, parameters.Floats(prefix + "fc2.weight"));
  HIIF_ASSIGN_OR_RETURN(out.fc2_bias, parameters.Floats(prefix + "fc2.bias"));
  out.inputs = static_cast<int64_t>(norm_weight.size());
  out.bias = Plus(Times(out.fc1, norm_bias), fc1_bias);
  ScaleColumns(out.fc1, norm_weight);
  out.column_sum = Times(out.fc1, std::vector<float>(out.inputs, 1.0f));
  return out;
}

absl::StatusOr<FoldedAttention> FoldAttention(const Safetensors& parameters, int block, int width,
                                              int heads) {
  const std::string prefix = absl::StrCat("conv", block, ".");
  const int64_t d = width / heads;
  FoldedAttention out;
  HIIF_ASSIGN_OR_RETURN(const auto qkv, parameters.Floats(prefix + "qkv_proj.weight"));
  HIIF_ASSIGN_OR_RETURN(const auto qkv_bias, parameters.Floats(prefix + "qkv_proj.bias"));
  for (int64_t head = 0; head < heads; ++head) {  // rows of a head: q, k, v of d each
    const auto row = qkv.begin() + head * 3 * d * width;
    const auto bias = qkv_bias.begin() + head * 3 * d;
    out.query.insert(out.query.end(), row, row + d * width);
    out.query_bias.insert(out.query_bias.end(), bias, bias + d);
    out.kv.insert(out.kv.end(), row + d * width, row + 3 * d * width);
    out.kv_bias.insert(out.kv_bias.end(), bias + d, bias + 3 * d);
  }
  HIIF_ASSIGN_OR_RETURN(out.k_norm, parameters.Floats(prefix + "kln.weight"));
  HIIF_ASSIGN_OR_RETURN(out.k_norm_bias, parameters.Floats(prefix + "kln.bias"));
  HIIF_ASSIGN_OR_RETURN(out.v_norm, parameters.Floats(prefix + "vln.weight"));
  HIIF_ASSIGN_OR_RETURN(out.v_norm_bias, parameters.Floats(prefix + "vln.bias"));
  HIIF_ASSIGN_OR_RETURN(out.proj1, parameters.Floats(prefix + "proj1.weight"));
  HIIF_ASSIGN_OR_RETURN(out.proj1_bias, parameters.Floats(prefix + "proj1.bias"));
  HIIF_ASSIGN_OR_RETURN(out.proj2, parameters.Floats(prefix + "proj2.weight"));
  HIIF_ASSIGN_OR_RETURN(out.proj2_bias, parameters.Floats(prefix + "proj2.bias"));
  return out;
}

}  // namespace

std::vector<float> Centred(const FoldedLevel& level) {
  std::vector<float> out = level.fc1;
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] -= level.column_sum[i / level.inputs] / static_cast<float>(level.inputs);
  }
  return out;
}

absl::StatusOr<FoldedHiif> FoldedHiif::Create(const Safetensors& parameters,
                                              const HiifConfig& config, int latent_channels) {
  if (config.ablation != Ablation::kNone) {
    return absl::UnimplementedError("only the reference backend serves ablations");
  }
  FoldedHiif out;
  out.config = config;
  out.latent_channels = latent_channels;
  // (out, in, ky, kx) to (out, ky, kx, in).
  HIIF_ASSIGN_OR_RETURN(const std::vector<float> weight, parameters.Floats("freq.weight"));
  out.freq.resize(weight.size());
  for (int64_t o = 0; o < config.width; ++o) {
    for (int64_t c = 0; c < latent_channels; ++c) {
      for (int64_t k = 0; k < 9; ++k) {
        out.freq[(o * 9 + k) * latent_channels + c] = weight[(o * latent_channels + c) * 9 + k];
      }
    }
  }
  HIIF_ASSIGN_OR_RETURN(out.freq_bias, parameters.Floats("freq.bias"));
  for (int level = 0; level < config.levels; ++level) {
    HIIF_ASSIGN_OR_RETURN(FoldedLevel folded, FoldLevel(parameters, level));
    out.levels.push_back(std::move(folded));
  }
  for (int block = 0; block < config.attention_blocks; ++block) {
    HIIF_ASSIGN_OR_RETURN(FoldedAttention folded,
                          FoldAttention(parameters, block, config.width, config.heads));
    out.attention.push_back(std::move(folded));
  }
  return out;
}

std::vector<float> FoldedHiif::Slots(absl::Span<const float> fc1) const {
  const int64_t width = config.width;
  const int64_t inputs = levels[0].inputs;
  std::vector<float> slots(4 * width * width);
  for (int64_t slot = 0; slot < 4; ++slot) {
    for (int64_t o = 0; o < width; ++o) {
      std::copy_n(fc1.begin() + o * inputs + slot * width, width,
                  slots.begin() + (slot * width + o) * width);
    }
  }
  return slots;
}

FoldedProjection FoldContext(const FoldedAttention& attention, int heads,
                             absl::Span<const double> kv) {
  const size_t width = attention.query_bias.size();
  const size_t d = width / heads;
  // mixing = I + blockdiag(KV)^T Wq, so that x + q KV = mixing x + offset.
  std::vector<float> mixing(width * width, 0.0f);
  std::vector<float> offset(width, 0.0f);
  for (size_t head = 0; head < static_cast<size_t>(heads); ++head) {
    for (size_t j = 0; j < d; ++j) {
      const size_t row = head * d + j;
      float* out = mixing.data() + row * width;
      out[row] = 1.0f;
      for (size_t i = 0; i < d; ++i) {
        const size_t q = head * d + i;
        const auto factor = static_cast<float>(kv[q * d + j]);
        offset[row] += factor * attention.query_bias[q];
        const float* query = attention.query.data() + q * width;
        for (size_t c = 0; c < width; ++c) out[c] += factor * query[c];
      }
    }
  }
  FoldedProjection out;
  out.matrix.assign(width * width, 0.0f);
  for (size_t o = 0; o < width; ++o) {
    float* to = out.matrix.data() + o * width;
    for (size_t m = 0; m < width; ++m) {
      const float factor = attention.proj1[o * width + m];
      const float* row = mixing.data() + m * width;
      for (size_t c = 0; c < width; ++c) to[c] += factor * row[c];
    }
  }
  out.bias = Plus(Times(attention.proj1, offset), attention.proj1_bias);
  return out;
}

}  // namespace hiif
