#include "model/decoders/point_decoder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace hiif {

ImageCodes MakeImageCodes(const PointDecoder& decoder, const Parameters& parameters,
                          const at::Tensor& latents) {
  ImageCodes image{{latents.size(2), latents.size(3)}, PixelRows(latents), {}};
  std::vector<at::Tensor> parts;
  for (int part = 0; part < decoder.parts(image.size); ++part) {
    parts.push_back(decoder.Part(parameters, latents, part, nullptr));
  }
  if (!parts.empty()) image.map = decoder.Join(parts, image.size);
  return image;
}

at::Tensor DecodeInOneCall(const PointDecoder& decoder, const Parameters& parameters,
                           const ImageCodes& image, absl::Span<const QueryPoint> points) {
  at::Tensor x = decoder.Begin(parameters, image, points);
  for (int block = 0; block < decoder.attention_blocks(); ++block) {
    const at::Tensor kv =
        decoder.ContextSum(parameters, block, x) / static_cast<double>(points.size());
    x = decoder.Attend(parameters, block, x, kv);
  }
  return decoder.Finish(parameters, x);
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
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<float>());
  return out.to(like.device());
}

at::Tensor IndexTensor(const std::vector<int64_t>& values, at::IntArrayRef shape,
                       const at::Tensor& like) {
  at::Tensor out = at::empty(shape, at::kLong);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<int64_t>());
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

at::Tensor GatherPatches(const ImageCodes& image, const at::Tensor& index) {
  const at::Tensor row = at::floor_divide(index, image.size.width);
  const at::Tensor column = at::remainder(index, image.size.width);
  const at::Tensor offset = at::arange(-1, 2, index.options());
  const at::Tensor rows = row.unsqueeze(-1).unsqueeze(-1) + offset.unsqueeze(1);  // (...,3,1)
  const at::Tensor columns = column.unsqueeze(-1).unsqueeze(-1) + offset;         // (...,1,3)
  const at::Tensor inside =
      (rows >= 0)
          .logical_and(rows < image.size.height)
          .logical_and((columns >= 0).logical_and(columns < image.size.width));
  const at::Tensor places =
      (rows * image.size.width + columns).masked_fill(inside.logical_not(), -1).flatten(-2);
  return GatherRows(image.codes, places).transpose(-1, -2).flatten(-2);
}

std::vector<int64_t> UniquePixels(std::vector<int64_t>& index) {
  std::vector<int64_t> pixels;
  pixels.reserve(index.size());
  for (const int64_t pixel : index) {
    if (pixel >= 0) pixels.push_back(pixel);
  }
  std::sort(pixels.begin(), pixels.end());
  pixels.erase(std::unique(pixels.begin(), pixels.end()), pixels.end());
  for (int64_t& pixel : index) {
    if (pixel < 0) continue;
    pixel = std::lower_bound(pixels.begin(), pixels.end(), pixel) - pixels.begin();
  }
  const auto count = static_cast<int64_t>(pixels.size());
  pixels.resize((count + kRows - 1) / kRows * kRows, pixels.empty() ? 0 : pixels.back());
  return pixels;
}

at::Tensor LinearByRows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (TakesGradient()) return at::linear(x, weight, bias);
  std::vector<at::Tensor> rows;
  for (int64_t begin = 0; begin < x.size(0); begin += kRows) {
    rows.push_back(at::linear(x.slice(0, begin, begin + kRows), weight, bias));
  }
  return at::cat(rows);
}

at::Tensor ConvAt(const ImageCodes& image, const at::Tensor& pixels,
                  absl::Span<const Scope> convs) {
  std::vector<at::Tensor> weights, biases;
  for (const Scope& conv : convs) {
    weights.push_back(conv.At("weight").flatten(1));
    biases.push_back(conv.At("bias"));
  }
  return LinearByRows(GatherPatches(image, pixels), at::cat(weights), at::cat(biases));
}

PairTensors MakePairs(absl::Span<const QueryPoint> points, int cell_limit, const at::Tensor& like) {
  const auto count = static_cast<int64_t>(points.size());
  PairTensors out;
  std::vector<float> weight, distance, cell;
  for (const QueryPoint& point : points) {
    const PairPosition row = PairAt(point.row);
    const PairPosition column = PairAt(point.column);
    const std::array<float, 4> weights = PairWeights(point.row.mode, row, column);
    weight.insert(weight.end(), weights.begin(), weights.end());
    for (int k = 0; k < 4; ++k) {
      out.index.push_back(row.index[k / 2] * point.column.low + column.index[k % 2]);
      distance.push_back(row.distance[k / 2]);
      distance.push_back(column.distance[k % 2]);
    }
    cell.push_back(CellOf(point.row.low, point.row.high, cell_limit));
    cell.push_back(CellOf(point.column.low, point.column.high, cell_limit));
  }
  out.weight = FloatTensor(weight, {count, 4}, like);
  out.distance = FloatTensor(distance, {count, 4, 2}, like);
  out.cell = FloatTensor(cell, {count, 2}, like);
  return out;
}

}  // namespace hiif
