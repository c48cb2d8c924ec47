// Bicubic (Keys, 1981, a = -1/2) and Lanczos of three lobes, as Pillow's: weights at the rim are
// those of the pixels that are there, made to sum to 1. In float, so without Pillow's rounding to
// whole levels between rows and columns.
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/status_macros.h"
#include "model/decoders/point_decoder.h"
#include "model/format/object_reader.h"

namespace hiif {
namespace {

using Kernel = FilterConfig::Kernel;

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

class Filter : public PointDecoder {
 public:
  explicit Filter(const FilterConfig& config)
      : support_(config.kernel == Kernel::kBicubic ? 2 : 3),
        kernel_(config.kernel == Kernel::kBicubic ? Bicubic : Lanczos) {}

  std::string name() const override { return support_ == 2 ? "bicubic" : "lanczos"; }
  nlohmann::json sizes() const override { return nlohmann::json::object(); }
  bool residual() const override { return false; }
  bool filters() const override { return true; }
  Shapes shapes(int) const override { return {}; }
  DecoderCost Cost(int features, Grid, Grid) const override {
    return {.query = 1.0 * features * taps() * taps()};
  }
  int64_t CallBytes(int features) const override {
    return unit() * taps() * taps() * (int64_t{12} * features + 24);
  }

  at::Tensor Begin(const Parameters&, const ImageCodes& image,
                   absl::Span<const QueryPoint> points) const override {
    std::vector<int64_t> index;
    std::vector<float> weight;
    for (const QueryPoint& point : points) {
      const Taps rows = TapsAt(point.row);
      const Taps columns = TapsAt(point.column);
      for (int y = 0; y < taps(); ++y) {
        for (int x = 0; x < taps(); ++x) {
          index.push_back(rows.index[y] * image.size.width + columns.index[x]);
          weight.push_back(static_cast<float>(rows.weight[y] * columns.weight[x]));
        }
      }
    }
    const auto count = static_cast<int64_t>(points.size());
    const int64_t each = int64_t{taps()} * taps();
    return (GatherRows(image.codes, IndexTensor(index, {count, each}, image.codes)) *
            FloatTensor(weight, {count, each, 1}, image.codes))
        .sum(1);
  }

 private:
  struct Taps {
    std::vector<int64_t> index;
    std::vector<double> weight;
  };

  int taps() const { return 2 * support_; }

  Taps TapsAt(const AxisPosition& axis) const {
    const double position = RealPosition(axis);
    const auto first = static_cast<int64_t>(std::floor(position)) - support_ + 1;
    Taps out;
    double sum = 0;
    for (int64_t k = first; k < first + taps(); ++k) {
      const bool inside = k >= 0 && k < axis.low;
      out.index.push_back(inside ? k : 0);
      out.weight.push_back(inside ? kernel_(position - static_cast<double>(k)) : 0.0);
      sum += out.weight.back();
    }
    for (double& weight : out.weight) weight /= sum;
    return out;
  }

  const int support_;
  double (*const kernel_)(double);
};

template <Kernel kKernel>
absl::StatusOr<DecoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "decoder_config");
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return DecoderConfig(FilterConfig{kKernel});
}

// No tensors tell.
std::optional<DecoderConfig> FromTensors(const Safetensors&) { return std::nullopt; }

}  // namespace

DecoderConfig::DecoderConfig(const FilterConfig& config)
    : decoder_(std::make_shared<Filter>(config)) {}

DecoderKind BicubicKind() { return {"bicubic", FromSizes<Kernel::kBicubic>, FromTensors}; }
DecoderKind LanczosKind() { return {"lanczos", FromSizes<Kernel::kLanczos>, FromTensors}; }

}  // namespace hiif
