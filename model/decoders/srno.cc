// SRNO: a 1x1 network over each position's four neighbours and two blocks of linear attention
// whose keys and values are a mean over the image (docs/decoders.md).
#include "absl/strings/str_cat.h"
#include "model/decoders/tensor_decoder.h"

namespace hiif {
namespace {

// A 1x1 convolution on rows.
at::Tensor Pointwise(const at::Tensor& x, const Scope& scope) {
  return at::linear(x, scope.At("weight").flatten(1), scope.At("bias"));
}

// Over the last dimension; the deviation with d - 1, the epsilon added to it. x: (heads,Q,d).
at::Tensor Normalise(const at::Tensor& x, const Scope& scope) {
  const at::Tensor centred = x - x.mean(-1, /*keepdim=*/true);
  const auto d = static_cast<double>(x.size(-1));
  const at::Tensor deviation = ((centred * centred).sum(-1, /*keepdim=*/true) / (d - 1)).sqrt();
  return centred / (deviation + 1e-5) * scope.At("weight") + scope.At("bias");
}

class Srno : public TensorDecoder {
 public:
  Srno(const SrnoConfig& config, const Network& network)
      : config_(config), parameters_(network.parameters) {}

  std::shared_ptr<const Pixels> Prepare(const at::Tensor& latents,
                                        absl::Span<const at::Tensor>) const override {
    auto pixels = std::make_shared<Pixels>();
    pixels->height = latents.size(2);
    pixels->width = latents.size(3);
    pixels->latents = PixelRows(latents);
    return pixels;
  }

  std::unique_ptr<const Queries> MakeQueries(const Pixels& pixels,
                                             absl::Span<const QueryPoint> points) const override {
    const auto count = static_cast<int64_t>(points.size());
    std::vector<int64_t> index;
    std::vector<float> weight, distance, cell;
    for (const QueryPoint& point : points) {
      const PairPosition row = PairAt(point.row);
      const PairPosition column = PairAt(point.column);
      const std::array<float, 4> weights = PairWeights(point.row.mode, row, column);
      weight.insert(weight.end(), weights.begin(), weights.end());
      for (int k = 0; k < 4; ++k) {
        index.push_back(row.index[k / 2] * pixels.width + column.index[k % 2]);
        distance.push_back(row.distance[k / 2]);
        distance.push_back(column.distance[k % 2]);
      }
      cell.push_back(CellOf(point.row.low, point.row.high, config_.cell_limit));
      cell.push_back(CellOf(point.column.low, point.column.high, config_.cell_limit));
    }
    auto queries = std::make_unique<SrnoQueries>();
    queries->index = IndexTensor(index, {count, 4}, pixels.latents);
    queries->weight = FloatTensor(weight, {count, 4, 1}, pixels.latents);
    queries->distance = FloatTensor(distance, {count, 8}, pixels.latents);
    queries->cell = FloatTensor(cell, {count, 2}, pixels.latents);
    return queries;
  }

  at::Tensor Begin(const Pixels& pixels, const Queries& any) const override {
    const auto& queries = static_cast<const SrnoQueries&>(any);
    const at::Tensor weighted =
        (GatherRows(pixels.latents, queries.index) * queries.weight).flatten(1);
    return Pointwise(at::cat({queries.distance, weighted, queries.cell}, -1), At("conv00"));
  }

  int attention_blocks() const override { return config_.blocks; }

  at::Tensor ContextSum(int block, const at::Tensor& x) const override {
    const Scope scope = At(absl::StrCat("conv", block));
    const int64_t d = config_.width / config_.heads;
    const at::Tensor qkv = QueryKeyValue(scope, x);
    const at::Tensor k = Normalise(qkv.slice(2, d, 2 * d), scope.Below("kln"));
    const at::Tensor v = Normalise(qkv.slice(2, 2 * d, 3 * d), scope.Below("vln"));
    return at::matmul(k.transpose(-2, -1), v);
  }

  at::Tensor Attend(int block, const at::Tensor& x, const at::Tensor& kv) const override {
    const Scope scope = At(absl::StrCat("conv", block));
    const at::Tensor q = QueryKeyValue(scope, x).slice(2, 0, config_.width / config_.heads);
    const at::Tensor y = x + at::matmul(q, kv).transpose(0, 1).reshape(x.sizes());
    return x + Pointwise(at::gelu(Pointwise(y, scope.Below("o_proj1"))), scope.Below("o_proj2"));
  }

  at::Tensor Finish(const at::Tensor& x, const Queries&) const override {
    return Pointwise(at::gelu(Pointwise(x, At("fc1"))), At("fc2"));
  }

 private:
  struct SrnoQueries : Queries {
    at::Tensor index;     // (Q,4)
    at::Tensor weight;    // (Q,4,1)
    at::Tensor distance;  // (Q,8): row and column of each neighbour
    at::Tensor cell;      // (Q,2)
  };

  Scope At(const std::string& name) const { return Scope(parameters_, "").Below(name); }

  // (heads,Q,3d); a head owns its [q | k | v].
  at::Tensor QueryKeyValue(const Scope& scope, const at::Tensor& x) const {
    return Pointwise(x, scope.Below("qkv_proj"))
        .reshape({x.size(0), config_.heads, -1})
        .transpose(0, 1);
  }

  const SrnoConfig config_;
  const Parameters& parameters_;
};

}  // namespace

std::unique_ptr<const TensorDecoder> MakeDecoder(const SrnoConfig& config, const Network& network) {
  return std::make_unique<Srno>(config, network);
}

}  // namespace hiif
