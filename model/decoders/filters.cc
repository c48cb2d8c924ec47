// Bicubic (Keys, 1981, a = -1/2) and Lanczos of three lobes, as Pillow's: weights at the rim are
// those of the pixels that are there, made to sum to 1. In float, so without Pillow's rounding to
// whole levels between rows and columns.
#include <cmath>
#include <numbers>

#include "model/decoders/tensor_decoder.h"

namespace hiif {
namespace {

double Bicubic(double x) {
  x = std::fabs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

double Lanczos(double x) {
  const auto sinc = [](double v) {
    v *= std::numbers::pi;
    return v == 0 ? 1.0 : std::sin(v) / v;
  };
  return std::fabs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
}

class FilterDecoder : public TensorDecoder {
 public:
  FilterDecoder(int support, double (*filter)(double)) : support_(support), filter_(filter) {}

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
    const int taps = 2 * support_;
    std::vector<int64_t> index;
    std::vector<float> weight;
    for (const QueryPoint& point : points) {
      const Taps rows = TapsAt(point.row);
      const Taps columns = TapsAt(point.column);
      for (int y = 0; y < taps; ++y) {
        for (int x = 0; x < taps; ++x) {
          index.push_back(rows.index[y] * pixels.width + columns.index[x]);
          weight.push_back(static_cast<float>(rows.weight[y] * columns.weight[x]));
        }
      }
    }
    const auto count = static_cast<int64_t>(points.size());
    auto queries = std::make_unique<FilterQueries>();
    queries->index = IndexTensor(index, {count, int64_t{taps} * taps}, pixels.latents);
    queries->weight = FloatTensor(weight, {count, int64_t{taps} * taps, 1}, pixels.latents);
    return queries;
  }

  at::Tensor Begin(const Pixels& pixels, const Queries& any) const override {
    const auto& queries = static_cast<const FilterQueries&>(any);
    return (GatherRows(pixels.latents, queries.index) * queries.weight).sum(1);
  }

 private:
  struct FilterQueries : Queries {
    at::Tensor index;   // (Q,taps^2)
    at::Tensor weight;  // (Q,taps^2,1)
  };
  struct Taps {
    std::vector<int64_t> index;
    std::vector<double> weight;
  };

  Taps TapsAt(const AxisPosition& axis) const {
    const double position = RealPosition(axis);
    const auto first = static_cast<int64_t>(std::floor(position)) - support_ + 1;
    Taps taps;
    double sum = 0;
    for (int64_t k = first; k < first + 2 * support_; ++k) {
      const bool inside = k >= 0 && k < axis.low;
      taps.index.push_back(inside ? k : 0);
      taps.weight.push_back(inside ? filter_(position - static_cast<double>(k)) : 0.0);
      sum += taps.weight.back();
    }
    for (double& weight : taps.weight) weight /= sum;
    return taps;
  }

  const int support_;
  double (*const filter_)(double);
};

}  // namespace

std::unique_ptr<const TensorDecoder> MakeDecoder(const BicubicConfig&, const Network&) {
  return std::make_unique<FilterDecoder>(2, Bicubic);
}

std::unique_ptr<const TensorDecoder> MakeDecoder(const LanczosConfig&, const Network&) {
  return std::make_unique<FilterDecoder>(3, Lanczos);
}

}  // namespace hiif
