// MetaSR as in LIIF's comparison: a network predicts each output pixel's filter of one 3x3
// neighbourhood (docs/decoders.md).
#include "model/decoders/tensor_decoder.h"

namespace hiif {
namespace {

class MetaSr : public TensorDecoder {
 public:
  explicit MetaSr(const Network& network) : parameters_(network.parameters) {}

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
    std::vector<float> input;
    for (const QueryPoint& point : points) {
      const EdgePosition row = EdgeAt(point.row);
      const EdgePosition column = EdgeAt(point.column);
      index.push_back(row.index * pixels.width + column.index);
      // The rows' 1/scale, half a cell, stands for both axes.
      input.insert(input.end(),
                   {row.fraction, column.fraction, CellOf(point.row.low, point.row.high, 0) / 2});
    }
    auto queries = std::make_unique<MetaQueries>();
    queries->index = IndexTensor(index, {count}, pixels.latents);
    queries->input = FloatTensor(input, {count, 3}, pixels.latents);
    return queries;
  }

  at::Tensor Begin(const Pixels& pixels, const Queries& any) const override {
    const auto& queries = static_cast<const MetaQueries&>(any);
    const at::Tensor patches = GatherPatches(pixels, queries.index);  // (Q,9C)
    const at::Tensor filter = Mlp(parameters_, "imnet", queries.input, 1, Relu)
                                  .reshape({patches.size(0), patches.size(1), 3});
    return at::bmm(patches.unsqueeze(1), filter).squeeze(1);
  }

 private:
  struct MetaQueries : Queries {
    at::Tensor index;  // (Q)
    at::Tensor input;  // (Q,3): position in the pixel, rows and columns; 1/scale
  };
  const Parameters& parameters_;
};

}  // namespace

std::unique_ptr<const TensorDecoder> MakeDecoder(const MetaSrConfig&, const Network& network) {
  return std::make_unique<MetaSr>(network);
}

}  // namespace hiif
