// LIIF on tensors (model.md 3).
#include "absl/strings/str_cat.h"
#include "model/hiif/query_tensors.h"

namespace hiif {

at::Tensor LiifDecode(const Network& network, const at::Tensor& features,
                      const QueryTensors& queries) {
  const Scope imnet(network.parameters, "imnet.layers.");
  const int layers = static_cast<int>(network.config.decoder.liif()->hidden.size()) + 1;
  const at::Tensor gathered = Gather(features, queries.neighbour);
  const at::Tensor cell = PerQuery(queries.cell, gathered.size(1));
  at::Tensor sum;
  for (int k = 0; k < 4; ++k) {
    at::Tensor x = at::cat({gathered.select(2, k), queries.distance.select(2, k) * 2.0, cell}, -1);
    for (int layer = 0; layer < layers; ++layer) {
      x = Linear(x, imnet.Below(absl::StrCat(2 * layer)));
      if (layer + 1 < layers) x = at::relu(x);
    }
    x = x * queries.weight.select(2, k).unsqueeze(-1);
    sum = sum.defined() ? sum + x : x;
  }
  return sum;
}

}  // namespace hiif
