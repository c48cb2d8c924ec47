#include "eval/ssim.h"

#include <array>
#include <cmath>
#include <vector>

namespace hiif::eval {
namespace {

constexpr int kWindow = 11;
constexpr double kC1 = (0.01 * 255) * (0.01 * 255);
constexpr double kC2 = (0.03 * 255) * (0.03 * 255);

struct Plane {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<double> values;
};

std::array<double, kWindow> Gaussian() {
  std::array<double, kWindow> weights;
  double sum = 0;
  for (int i = 0; i < kWindow; ++i) {
    const int distance = i - kWindow / 2;
    weights[i] = std::exp(-distance * distance / (2 * 1.5 * 1.5));
    sum += weights[i];
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// The window's mean wherever it fits, by rows and then by columns.
Plane Filter(const Plane& in) {
  static const std::array<double, kWindow> kWeights = Gaussian();
  Plane rows{in.height, in.width - kWindow + 1, {}};
  rows.values.resize(rows.height * rows.width);
  for (int64_t y = 0; y < rows.height; ++y)
    for (int64_t x = 0; x < rows.width; ++x)
      for (int k = 0; k < kWindow; ++k)
        rows.values[y * rows.width + x] += kWeights[k] * in.values[y * in.width + x + k];
  Plane out{in.height - kWindow + 1, rows.width, {}};
  out.values.resize(out.height * out.width);
  for (int64_t y = 0; y < out.height; ++y)
    for (int k = 0; k < kWindow; ++k)
      for (int64_t x = 0; x < out.width; ++x)
        out.values[y * out.width + x] += kWeights[k] * rows.values[(y + k) * out.width + x];
  return out;
}

Plane Product(const Plane& a, const Plane& b) {
  Plane out = a;
  for (size_t i = 0; i < out.values.size(); ++i) out.values[i] *= b.values[i];
  return out;
}

double Luma(double r, double g, double b) {
  return 16 + (65.738 * r + 129.057 * g + 25.064 * b) * 255 / 256;
}

}  // namespace

double Ssim(absl::Span<const float> image, const RgbImage& original, int64_t shave) {
  Plane a{original.height - 2 * shave, original.width - 2 * shave, {}};
  Plane b = a;
  for (int64_t y = shave; y < original.height - shave; ++y) {
    for (int64_t x = shave; x < original.width - shave; ++x) {
      const int64_t i = (y * original.width + x) * 3;
      a.values.push_back(Luma(image[i], image[i + 1], image[i + 2]));
      b.values.push_back(Luma(original.samples[i] / 255.0, original.samples[i + 1] / 255.0,
                              original.samples[i + 2] / 255.0));
    }
  }
  const Plane mean_a = Filter(a);
  const Plane mean_b = Filter(b);
  const Plane square_a = Filter(Product(a, a));
  const Plane square_b = Filter(Product(b, b));
  const Plane product = Filter(Product(a, b));
  double sum = 0;
  for (size_t i = 0; i < mean_a.values.size(); ++i) {
    const double ma = mean_a.values[i];
    const double mb = mean_b.values[i];
    const double variance = square_a.values[i] - ma * ma + square_b.values[i] - mb * mb;
    const double covariance = product.values[i] - ma * mb;
    sum += (2 * ma * mb + kC1) * (2 * covariance + kC2) /
           ((ma * ma + mb * mb + kC1) * (variance + kC2));
  }
  return sum / static_cast<double>(mean_a.values.size());
}

}  // namespace hiif::eval
