// CiaoSR: attention of each output pixel over four neighbours, whose values a non-local map of the
// image joins (docs/decoders.md).
#include "model/decoders/ciaosr_map.h"
#include "model/decoders/tensor_decoder.h"

namespace hiif {
namespace {

class CiaoSr : public TensorDecoder {
 public:
  CiaoSr(const CiaoSrConfig& config, const Network& network)
      : config_(config), parameters_(network.parameters) {}

  int64_t parts(int64_t height, int64_t width) const override {
    return config_.non_local ? static_cast<int64_t>(CiaoSrBlocks(height, width).size()) : 0;
  }

  double PartWork(int64_t part, int64_t height, int64_t width) const override {
    const auto pixels = static_cast<double>(CiaoSrBlocks(height, width)[part].pixels());
    const auto channels = static_cast<double>(parameters_.at("cs_attn.down.bias").size(0));
    return pixels * 40.5 * channels * pixels / 4;
  }

  at::Tensor Part(int64_t part, const at::Tensor& latents) const override {
    const Region block = CiaoSrBlocks(latents.size(2), latents.size(3))[part];
    return CiaoSrMap(
        Scope(parameters_, "cs_attn."),
        latents.slice(2, block.y, block.y + block.height).slice(3, block.x, block.x + block.width));
  }

  std::shared_ptr<const Pixels> Prepare(const at::Tensor& latents,
                                        absl::Span<const at::Tensor> parts) const override {
    auto pixels = std::make_shared<CiaoPixels>();
    pixels->height = latents.size(2);
    pixels->width = latents.size(3);
    pixels->latents = PixelRows(latents);
    if (config_.non_local) {
      pixels->map = PixelRows(JoinCiaoSrBlocks(parts, pixels->height, pixels->width));
    }
    return pixels;
  }

  std::unique_ptr<const Queries> MakeQueries(const Pixels& pixels,
                                             absl::Span<const QueryPoint> points) const override {
    const auto count = static_cast<int64_t>(points.size());
    std::vector<int64_t> centre, index;
    std::vector<float> tail;
    for (const QueryPoint& point : points) {
      const StepPosition row = StepAt(point.row);
      const StepPosition column = StepAt(point.column);
      centre.push_back(row.centre * pixels.width + column.centre);
      for (int k = 0; k < 4; ++k) {
        index.push_back(row.index[k / 2] * pixels.width + column.index[k % 2]);
        tail.insert(tail.end(), {row.distance[k / 2], column.distance[k % 2],
                                 CellOf(point.row.low, point.row.high, 0),
                                 CellOf(point.column.low, point.column.high, 0)});
      }
    }
    auto queries = std::make_unique<CiaoQueries>();
    queries->centre = IndexTensor(centre, {count}, pixels.latents);
    queries->index = IndexTensor(index, {count, 4}, pixels.latents);
    queries->tail = FloatTensor(tail, {count, 4, 4}, pixels.latents);
    return queries;
  }

  at::Tensor Begin(const Pixels& any_pixels, const Queries& any) const override {
    const auto& pixels = static_cast<const CiaoPixels&>(any_pixels);
    const auto& queries = static_cast<const CiaoQueries&>(any);
    const at::Tensor query = GatherPatches(pixels, queries.centre);  // (Q,9C)
    std::vector<at::Tensor> logits;
    std::vector<at::Tensor> values;
    for (int k = 0; k < 4; ++k) {
      const at::Tensor index = queries.index.select(1, k);
      const at::Tensor tail = queries.tail.select(1, k);
      const at::Tensor patch = GatherPatches(pixels, index);
      const at::Tensor key = patch * Mlp(parameters_, "imnet_k", at::cat({patch, tail}, -1),
                                         config_.hidden_key.size(), Relu);
      logits.push_back((query * key).sum(-1));
      const at::Tensor all =
          config_.non_local ? at::cat({patch, pixels.map.index_select(0, index)}, -1) : patch;
      values.push_back(all * Mlp(parameters_, "imnet_v", at::cat({all, tail}, -1),
                                 config_.hidden_value.size(), Relu));
    }
    const at::Tensor attention = at::softmax(at::stack(logits, -1), -1);  // (Q,4)
    at::Tensor sum;
    for (int k = 0; k < 4; ++k) {
      const at::Tensor part = values[k] * attention.slice(1, k, k + 1);
      sum = sum.defined() ? sum + part : part;
    }
    return Mlp(parameters_, "imnet_q", sum, config_.hidden_query.size(), Relu);
  }

  at::Tensor NonLocal(const Pixels& pixels) const override {
    return static_cast<const CiaoPixels&>(pixels).map;
  }

 private:
  struct CiaoPixels : Pixels {
    int64_t bytes() const override {
      return Pixels::bytes() + (map.defined() ? static_cast<int64_t>(map.nbytes()) : 0);
    }
    at::Tensor map;  // (h*w,C)
  };
  struct CiaoQueries : Queries {
    at::Tensor centre;  // (Q)
    at::Tensor index;   // (Q,4)
    at::Tensor tail;    // (Q,4,4): distance and cell, rows and columns
  };
  const CiaoSrConfig config_;
  const Parameters& parameters_;
};

}  // namespace

std::unique_ptr<const TensorDecoder> MakeDecoder(const CiaoSrConfig& config,
                                                 const Network& network) {
  return std::make_unique<CiaoSr>(config, network);
}

}  // namespace hiif
