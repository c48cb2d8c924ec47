#include "model/hiif/query_tensors.h"

namespace hiif {

QueryTensors MakeQueries(absl::Span<const Query> asked, int levels, std::array<float, 2> cell) {
  const auto count = static_cast<int64_t>(asked.size());
  QueryTensors queries;
  queries.neighbour = at::empty({1, count, 4}, at::kLong);
  queries.weight = at::empty({1, count, 4}, at::kFloat);
  queries.distance = at::empty({1, count, 4, 2}, at::kFloat);
  queries.bits = at::empty({1, count, levels, 2}, at::kFloat);
  queries.local = at::empty({1, count, 2}, at::kFloat);
  queries.cell = at::empty({1, 2}, at::kFloat);
  queries.cell.data_ptr<float>()[0] = cell[0];
  queries.cell.data_ptr<float>()[1] = cell[1];
  int64_t* neighbour = queries.neighbour.data_ptr<int64_t>();
  float* weight = queries.weight.data_ptr<float>();
  float* distance = queries.distance.data_ptr<float>();
  float* bits = queries.bits.data_ptr<float>();
  float* local = queries.local.data_ptr<float>();
  for (const Query& query : asked) {
    for (int k = 0; k < 4; ++k) {
      *neighbour++ = query.neighbour[k];
      *weight++ = query.weight[k];
      *distance++ = query.distance[0][k / 2];
      *distance++ = query.distance[1][k % 2];
    }
    for (int level = 0; level < levels; ++level) {
      *bits++ = static_cast<float>(query.row_bits >> level & 1);
      *bits++ = static_cast<float>(query.column_bits >> level & 1);
    }
    *local++ = query.local[0];
    *local++ = query.local[1];
  }
  return queries;
}

at::Tensor Neighbourhoods(const at::Tensor& codes, const at::Tensor& pixels, Grid size) {
  const at::Tensor row = at::floor_divide(pixels, size.width);
  const at::Tensor column = at::remainder(pixels, size.width);
  const at::Tensor step = at::arange(-1, 2, pixels.options());
  const at::Tensor r = (row.unsqueeze(1) + step).unsqueeze(2);     // (L,3,1)
  const at::Tensor c = (column.unsqueeze(1) + step).unsqueeze(1);  // (L,1,3)
  const at::Tensor inside =
      (r >= 0).logical_and(r < size.height).logical_and((c >= 0).logical_and(c < size.width));
  const at::Tensor index = (r.clamp(0, size.height - 1) * size.width + c.clamp(0, size.width - 1));
  return (codes.index_select(0, index.flatten()) *
          inside.flatten().unsqueeze(1).to(codes.scalar_type()))
      .reshape({pixels.size(0), -1});
}

at::Tensor DecoderFeatures(const Network& network, const at::Tensor& latents) {
  if (network.config.decoder.hiif() != nullptr) {
    return Conv(latents, Scope(network.parameters, "freq."));
  }
  return at::im2col(latents, {3, 3}, {1, 1}, {1, 1}, {1, 1})
      .reshape({latents.size(0), latents.size(1) * 9, latents.size(2), latents.size(3)});
}

at::Tensor Gather(const at::Tensor& features, const at::Tensor& neighbour) {
  const int64_t images = features.size(0);
  const int64_t pixels = features.size(1);
  at::Tensor index = neighbour;
  if (images > 1) {
    index = index + (at::arange(images, neighbour.options()) * pixels).reshape({-1, 1, 1});
  }
  return features.reshape({images * pixels, features.size(2)})
      .index_select(0, index.reshape({-1}))
      .reshape({images, neighbour.size(1), 4, features.size(2)});
}

at::Tensor PerQuery(const at::Tensor& cell, int64_t queries) {
  return cell.unsqueeze(1).expand({cell.size(0), queries, 2});
}

}  // namespace hiif
