#include "train/muon.h"

#include <algorithm>
#include <cmath>

namespace hiif::train {
namespace {

int64_t Rows(const at::Tensor& weight) { return weight.size(0); }
int64_t Columns(const at::Tensor& weight) { return weight.numel() / weight.size(0); }

}  // namespace

bool MuonFits(const at::Tensor& weight) {
  const bool matrix = weight.dim() == 2 || weight.dim() == 4;  // SRNO's norms have three
  return matrix && Rows(weight) >= 16 && Columns(weight) >= 16;
}

at::Tensor Orthogonalised(const at::Tensor& matrix) {
  constexpr double kA = 3.4445;
  constexpr double kB = -4.7750;
  constexpr double kC = 2.0315;
  const bool tall = Rows(matrix) > Columns(matrix);
  at::Tensor x = tall ? matrix.flatten(1).t() : matrix.flatten(1);
  x = x / (x.norm() + 1e-20);
  for (int i = 0; i < 5; ++i) {
    const at::Tensor gram = x.mm(x.t());
    x = at::addmm(x, at::addmm(gram, gram, gram, kB, kC), x, kA);
  }
  return (tall ? x.t() : x).reshape(matrix.sizes());
}

void MuonStep(at::Tensor& weight, const at::Tensor& gradient, at::Tensor& momentum, double rate,
              double beta) {
  momentum.lerp_(gradient, 1.0 - beta);
  const at::Tensor ahead = gradient.lerp(momentum, beta);
  const double longer = static_cast<double>(std::max(Rows(weight), Columns(weight)));
  weight.add_(Orthogonalised(ahead), -rate * 0.2 * std::sqrt(longer));
}

}  // namespace hiif::train
