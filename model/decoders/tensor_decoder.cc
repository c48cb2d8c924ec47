#include "model/decoders/tensor_decoder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace hiif {

std::shared_ptr<const TensorDecoder::Pixels> TensorDecoder::Prepare(
    const at::Tensor& latents) const {
  std::vector<at::Tensor> done;
  for (int64_t part = 0; part < parts(latents.size(2), latents.size(3)); ++part) {
    done.push_back(Part(part, latents));
  }
  return Prepare(latents, done);
}

at::Tensor DecodeInOneCall(const TensorDecoder& decoder, const TensorDecoder::Pixels& pixels,
                           absl::Span<const QueryPoint> points) {
  const auto queries = decoder.MakeQueries(pixels, points);
  at::Tensor x = decoder.Begin(pixels, *queries);
  for (int block = 0; block < decoder.attention_blocks(); ++block) {
    x = decoder.Attend(block, x, decoder.ContextSum(block, x) / static_cast<double>(points.size()));
  }
  return decoder.Finish(x, *queries);
}

at::Tensor PixelRows(const at::Tensor& latents) { return latents[0].flatten(1).t().contiguous(); }

at::Tensor Mlp(const Parameters& parameters, const std::string& name, at::Tensor x, size_t hidden,
               at::Tensor (*activate)(const at::Tensor&)) {
  const Scope layers(parameters, name + ".layers.");
  for (size_t layer = 0; layer <= hidden; ++layer) {
    x = Linear(x, layers.Below(absl::StrCat(2 * layer)));
    if (layer < hidden) x = activate(x);
  }
  return x;
}

at::Tensor Relu(const at::Tensor& x) { return at::relu(x); }
at::Tensor GeluErf(const at::Tensor& x) { return at::gelu(x); }

at::Tensor FloatTensor(const std::vector<float>& values, at::IntArrayRef shape,
                       const at::Tensor& like) {
  at::Tensor out = at::empty(shape, at::kFloat);
  std::copy(values.begin(), values.end(), out.data_ptr<float>());
  return out.to(like.device());
}

at::Tensor IndexTensor(const std::vector<int64_t>& values, at::IntArrayRef shape,
                       const at::Tensor& like) {
  at::Tensor out = at::empty(shape, at::kLong);
  std::copy(values.begin(), values.end(), out.data_ptr<int64_t>());
  return out.to(like.device());
}

at::Tensor GatherRows(const at::Tensor& table, const at::Tensor& index) {
  std::vector<int64_t> shape = index.sizes().vec();
  shape.push_back(table.size(1));
  const at::Tensor flat = index.reshape({-1});
  const at::Tensor rows = table.index_select(0, flat.clamp_min(0)).reshape(shape);
  const at::Tensor outside = index < 0;
  return outside.any().item<bool>() ? rows.masked_fill(outside.unsqueeze(-1), 0.0) : rows;
}

at::Tensor GatherPatches(const TensorDecoder::Pixels& pixels, const at::Tensor& index) {
  const at::Tensor row = at::floor_divide(index, pixels.width);
  const at::Tensor column = at::remainder(index, pixels.width);
  const at::Tensor offset = at::arange(-1, 2, index.options());
  const at::Tensor rows = row.unsqueeze(-1).unsqueeze(-1) + offset.unsqueeze(1);  // (...,3,1)
  const at::Tensor columns = column.unsqueeze(-1).unsqueeze(-1) + offset;         // (...,1,3)
  const at::Tensor inside = (rows >= 0)
                                .logical_and(rows < pixels.height)
                                .logical_and((columns >= 0).logical_and(columns < pixels.width));
  const at::Tensor places =
      (rows * pixels.width + columns).masked_fill(inside.logical_not(), -1).flatten(-2);
  return GatherRows(pixels.latents, places).transpose(-1, -2).flatten(-2);
}

}  // namespace hiif
