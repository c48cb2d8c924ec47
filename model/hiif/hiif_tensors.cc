// HIIF on tensors (model.md 2).
#include "absl/strings/str_cat.h"
#include "model/hiif/query_tensors.h"

namespace hiif {
namespace {

// fc_l(v) = fc2(gelu(fc1(LayerNorm(v)))).
at::Tensor HiifMlp(const Scope& scope, const at::Tensor& v) {
  return Linear(at::gelu(Linear(LayerNorm(v, scope.Below("norm")), scope.Below("fc1"))),
                scope.Below("fc2"));
}

const HiifConfig& Hiif(const Network& network) { return *network.config.decoder.hiif(); }

// What enters level `level` beside x: its bits, or what an ablation puts in their place. Undefined:
// nothing.
at::Tensor LevelInput(const HiifConfig& config, int level, const QueryTensors& queries) {
  switch (config.ablation) {
    case Ablation::kNoHierarchy:
      return queries.local;
    case Ablation::kSingleScale:
      return level == 0 ? queries.bits.flatten(2) : at::Tensor();
    default:
      return queries.bits.select(2, level);
  }
}

at::Tensor QueryKeyValue(const Network& network, int block, const at::Tensor& x) {
  const Scope scope = Scope(network.parameters, "").Below(absl::StrCat("conv", block));
  return Linear(x, scope.Below("qkv_proj"))
      .reshape({x.size(0), x.size(1), Hiif(network).heads, -1});
}

// Sum over the queries of k^T v: (N,heads,d,d).
at::Tensor ContextSum(const Network& network, int block, const at::Tensor& qkv) {
  const Scope scope = Scope(network.parameters, "").Below(absl::StrCat("conv", block));
  const int64_t d = qkv.size(3) / 3;
  const at::Tensor k = LayerNorm(qkv.slice(3, d, 2 * d), scope.Below("kln")).transpose(1, 2);
  const at::Tensor v = LayerNorm(qkv.slice(3, 2 * d, 3 * d), scope.Below("vln")).transpose(1, 2);
  return at::matmul(k.transpose(-2, -1), v);
}

at::Tensor Attend(const Network& network, int block, const at::Tensor& x, const at::Tensor& qkv,
                  const at::Tensor& kv) {
  const Scope scope = Scope(network.parameters, "").Below(absl::StrCat("conv", block));
  const at::Tensor q = qkv.slice(3, 0, qkv.size(3) / 3).transpose(1, 2);
  const at::Tensor y = x + at::matmul(q, kv).transpose(1, 2).reshape(x.sizes());
  return x + Linear(at::gelu(Linear(y, scope.Below("proj1"))), scope.Below("proj2"));
}

}  // namespace

at::Tensor HiifBegin(const Network& network, const at::Tensor& features,
                     const QueryTensors& queries) {
  const at::Tensor weighted =
      (Gather(features, queries.neighbour) * queries.weight.unsqueeze(-1)).flatten(2);
  const at::Tensor cell = PerQuery(queries.cell, weighted.size(1));
  const at::Tensor input = at::cat({weighted, cell, LevelInput(Hiif(network), 0, queries)}, -1);
  return HiifMlp(Scope(network.parameters, "fc_layers.0."), input);
}

at::Tensor HiifContextSum(const Network& network, int block, const at::Tensor& x) {
  return ContextSum(network, block, QueryKeyValue(network, block, x));
}

at::Tensor HiifAttend(const Network& network, int block, const at::Tensor& x,
                      const at::Tensor& kv) {
  return Attend(network, block, x, QueryKeyValue(network, block, x), kv);
}

at::Tensor HiifFinish(const Network& network, const at::Tensor& x, const QueryTensors& queries) {
  const HiifConfig& config = Hiif(network);
  at::Tensor out = x;
  for (int level = 1; level < config.levels; ++level) {
    const at::Tensor extra = LevelInput(config, level, queries);
    if (extra.defined()) out = at::cat({out, extra}, -1);
    out = HiifMlp(Scope(network.parameters, absl::StrCat("fc_layers.", level, ".")), out);
  }
  return out;
}

at::Tensor HiifDecode(const Network& network, const at::Tensor& features,
                      const QueryTensors& queries) {
  at::Tensor x = HiifBegin(network, features, queries);
  for (int block = 0; block < AttentionBlocks(Hiif(network)); ++block) {
    const at::Tensor qkv = QueryKeyValue(network, block, x);
    const at::Tensor kv =
        ContextSum(network, block, qkv) / static_cast<double>(queries.neighbour.size(1));
    x = Attend(network, block, x, qkv, kv);
  }
  return HiifFinish(network, x, queries);
}

}  // namespace hiif
