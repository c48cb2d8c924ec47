// SRNO: a 1x1 network over each position's four neighbours and blocks of linear attention whose
// keys and values are a mean over the image (docs/decoders.md).
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/decoders/point_decoder.h"
#include "model/format/object_reader.h"

namespace hiif {
namespace {

Scope At(const Parameters& parameters, const std::string& name) {
  return Scope(parameters, name + ".");
}

// A 1x1 convolution on rows.
at::Tensor Pointwise(const at::Tensor& x, const Scope& scope) {
  return at::linear(x, scope.At("weight").flatten(1), scope.At("bias"));
}

// Over the last dimension; the deviation with d - 1, the epsilon added to it. x: (heads,Q,d).
at::Tensor Normalise(const at::Tensor& x, const Scope& scope) {
  const at::Tensor centred = x - x.mean(-1, /*keepdim=*/true);
  const auto d = static_cast<double>(x.size(-1));
  // The small number under the root keeps the gradient of equal values finite; it does not round.
  const at::Tensor square = (centred * centred).sum(-1, /*keepdim=*/true) / (d - 1);
  const at::Tensor deviation = TakesGradient() ? (square + 1e-20).sqrt() : square.sqrt();
  return centred / (deviation + 1e-5) * scope.At("weight") + scope.At("bias");
}

class Srno : public PointDecoder {
 public:
  explicit Srno(const SrnoConfig& config) : config_(config) {}

  std::string name() const override { return "srno"; }
  nlohmann::json sizes() const override {
    return {{"width", config_.width},
            {"heads", config_.heads},
            {"attention_blocks", config_.attention_blocks},
            {"hidden", config_.hidden},
            {"cell_limit", config_.cell_limit}};
  }
  int attention_blocks() const override { return config_.attention_blocks; }
  int width() const override { return config_.width; }
  float Cell(double low, double high) const override {
    return LimitedCell(low, high, config_.cell_limit);
  }
  Shapes shapes(int features) const override {
    const int width = config_.width;
    Shapes shapes;
    AddConv(shapes, "conv00", width, int64_t{4} * features + 10, 1);
    for (int block = 0; block < config_.attention_blocks; ++block) {
      const std::string prefix = absl::StrCat("conv", block);
      AddConv(shapes, prefix + ".qkv_proj", int64_t{3} * width, width, 1);
      for (const char* norm : {".kln", ".vln"}) {
        shapes[absl::StrCat(prefix, norm, ".weight")] = {config_.heads, 1, width / config_.heads};
        shapes[absl::StrCat(prefix, norm, ".bias")] = {config_.heads, 1, width / config_.heads};
      }
      AddConv(shapes, prefix + ".o_proj1", width, width, 1);
      AddConv(shapes, prefix + ".o_proj2", width, width, 1);
    }
    AddConv(shapes, "fc1", config_.hidden, width, 1);
    AddConv(shapes, "fc2", 3, config_.hidden, 1);
    return shapes;
  }
  DecoderCost Cost(int features, Grid, Grid) const override {
    const double width = config_.width;
    const double begin = width * (4.0 * features + 10);
    const double context = 2 * width * width / config_.heads;  // k^T v, and q times the result
    const double attention = config_.attention_blocks * (5 * width * width + context);
    return {.query = begin + attention + config_.hidden * (width + 3), .sample = begin + attention};
  }
  int64_t CallBytes(int features) const override {
    return unit() * (int64_t{10} * features + 10 * config_.width + config_.hidden) * 4;
  }

  at::Tensor Begin(const Parameters& parameters, const ImageCodes& image,
                   absl::Span<const QueryPoint> points) const override {
    const auto count = static_cast<int64_t>(points.size());
    const PairTensors pairs = MakePairs(points, config_.cell_limit, image.codes);
    const at::Tensor weighted =
        (GatherRows(image.codes, IndexTensor(pairs.index, {count, 4}, image.codes)) *
         pairs.weight.unsqueeze(-1))
            .flatten(1);
    return Pointwise(at::cat({pairs.distance.flatten(1), weighted, pairs.cell}, -1),
                     At(parameters, "conv00"));
  }

  at::Tensor ContextSum(const Parameters& parameters, int block,
                        const at::Tensor& x) const override {
    const Scope scope = At(parameters, absl::StrCat("conv", block));
    const int64_t d = config_.width / config_.heads;
    const at::Tensor qkv = QueryKeyValue(scope, x);
    const at::Tensor k = Normalise(qkv.slice(2, d, 2 * d), scope.Below("kln"));
    const at::Tensor v = Normalise(qkv.slice(2, 2 * d, 3 * d), scope.Below("vln"));
    return at::matmul(k.transpose(-2, -1), v);
  }

  at::Tensor Attend(const Parameters& parameters, int block, const at::Tensor& x,
                    const at::Tensor& kv) const override {
    const Scope scope = At(parameters, absl::StrCat("conv", block));
    const at::Tensor q = QueryKeyValue(scope, x).slice(2, 0, config_.width / config_.heads);
    const at::Tensor y = x + at::matmul(q, kv).transpose(0, 1).reshape(x.sizes());
    return x + Pointwise(at::gelu(Pointwise(y, scope.Below("o_proj1"))), scope.Below("o_proj2"));
  }

  at::Tensor Finish(const Parameters& parameters, const at::Tensor& x) const override {
    return Pointwise(at::gelu(Pointwise(x, At(parameters, "fc1"))), At(parameters, "fc2"));
  }

 private:
  // (heads,Q,3d); a head owns its [q | k | v].
  at::Tensor QueryKeyValue(const Scope& scope, const at::Tensor& x) const {
    return Pointwise(x, scope.Below("qkv_proj"))
        .reshape({x.size(0), config_.heads, -1})
        .transpose(0, 1);
  }

  const SrnoConfig config_;
};

absl::StatusOr<DecoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "decoder_config");
  const SrnoConfig config{reader.Size("width", 2), reader.Size("heads", 1),
                          reader.Size("attention_blocks", 1), reader.Size("hidden", 1),
                          reader.Size("cell_limit", 0)};
  if (config.width % config.heads != 0) {
    reader.Fail("has a width that its heads do not divide");
  } else if (config.width / config.heads < 2) {
    reader.Fail("has heads of width 1");
  }
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return DecoderConfig(config);
}

std::optional<DecoderConfig> FromTensors(const Safetensors& tensors) {
  SrnoConfig config;
  config.width = Dimension(tensors, "conv00.weight", 0);
  if (config.width == 0) return std::nullopt;
  config.heads = Dimension(tensors, "conv0.kln.weight", 0);
  config.hidden = Dimension(tensors, "fc1.weight", 0);
  config.attention_blocks = 0;
  while (tensors.tensors().contains(absl::StrCat("conv", config.attention_blocks, ".kln.weight"))) {
    ++config.attention_blocks;
  }
  return DecoderConfig(config);
}

}  // namespace

DecoderConfig::DecoderConfig(const SrnoConfig& config) : decoder_(std::make_shared<Srno>(config)) {}

DecoderKind SrnoKind() { return {"srno", FromSizes, FromTensors}; }

}  // namespace hiif
