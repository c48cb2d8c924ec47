// LTE: each neighbour's amplitudes times cosines and sines of its frequencies at the distance
// (docs/decoders.md).
#include <numbers>

#include "model/decoders/tensor_decoder.h"

namespace hiif {
namespace {

class Lte : public TensorDecoder {
 public:
  Lte(const LteConfig& config, const Network& network)
      : config_(config), parameters_(network.parameters) {}

  std::shared_ptr<const Pixels> Prepare(const at::Tensor& latents,
                                        absl::Span<const at::Tensor>) const override {
    auto pixels = std::make_shared<LtePixels>();
    pixels->height = latents.size(2);
    pixels->width = latents.size(3);
    pixels->latents = PixelRows(latents);
    pixels->amplitude = PixelRows(Conv(latents, Scope(parameters_, "coef.")));
    pixels->frequency = PixelRows(Conv(latents, Scope(parameters_, "freq.")));
    return pixels;
  }

  std::unique_ptr<const Queries> MakeQueries(const Pixels& pixels,
                                             absl::Span<const QueryPoint> points) const override {
    const auto count = static_cast<int64_t>(points.size());
    std::vector<int64_t> index;
    std::vector<float> weight, distance;
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
    }
    auto queries = std::make_unique<LteQueries>();
    queries->index = IndexTensor(index, {count, 4}, pixels.latents);
    queries->weight = FloatTensor(weight, {count, 4}, pixels.latents);
    queries->distance = FloatTensor(distance, {count, 4, 2}, pixels.latents);
    const AxisPosition& row = points.front().row;
    const AxisPosition& column = points.front().column;
    queries->cell = FloatTensor({CellOf(row.low, row.high, config_.cell_limit),
                                 CellOf(column.low, column.high, config_.cell_limit)},
                                {1, 2}, pixels.latents);
    return queries;
  }

  at::Tensor Begin(const Pixels& any_pixels, const Queries& any) const override {
    const auto& pixels = static_cast<const LtePixels&>(any_pixels);
    const auto& queries = static_cast<const LteQueries&>(any);
    const int64_t count = queries.index.size(0);
    const at::Tensor phase = at::linear(queries.cell, parameters_.at("phase.weight"));  // (1,D/2)
    at::Tensor sum;
    for (int k = 0; k < 4; ++k) {
      const at::Tensor index = queries.index.select(1, k);
      // Even channels go with rows, odd ones with columns.
      const at::Tensor frequency =
          pixels.frequency.index_select(0, index).reshape({count, config_.features / 2, 2});
      const at::Tensor distance = queries.distance.select(1, k).unsqueeze(1);
      const at::Tensor turns = (frequency * distance).sum(-1) + phase;
      const at::Tensor angle = turns * static_cast<float>(std::numbers::pi);
      const at::Tensor basis = at::cat({at::cos(angle), at::sin(angle)}, -1);
      const at::Tensor out =
          Mlp(parameters_, "imnet", pixels.amplitude.index_select(0, index) * basis,
              config_.hidden.size(), Relu);
      const at::Tensor weighted = out * queries.weight.select(1, k).unsqueeze(-1);
      sum = sum.defined() ? sum + weighted : weighted;
    }
    return sum;
  }

 private:
  struct LtePixels : Pixels {
    int64_t bytes() const override {
      return Pixels::bytes() + static_cast<int64_t>(amplitude.nbytes() + frequency.nbytes());
    }
    at::Tensor amplitude;  // (h*w,D)
    at::Tensor frequency;  // (h*w,D)
  };
  struct LteQueries : Queries {
    at::Tensor index;     // (Q,4)
    at::Tensor weight;    // (Q,4)
    at::Tensor distance;  // (Q,4,2)
    at::Tensor cell;      // (1,2)
  };
  const LteConfig config_;
  const Parameters& parameters_;
};

}  // namespace

std::unique_ptr<const TensorDecoder> MakeDecoder(const LteConfig& config, const Network& network) {
  return std::make_unique<Lte>(config, network);
}

}  // namespace hiif
