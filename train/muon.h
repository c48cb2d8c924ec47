// Muon (Jordan et al., 2024): momentum whose singular values are made equal, so that a step goes as
// far along the directions that the loss is flat in as along the steep ones. On this decoder a loss
// is reached in about two thirds of Adam's steps (docs/training.md).
#ifndef TRAIN_MUON_H_
#define TRAIN_MUON_H_

#include <ATen/ATen.h>

namespace hiif::train {

// Whether it is for this weight: (out,in) or (out,in,k,k) with 16 rows and columns at least.
// Vectors, norms and the last layer, of three colours, are Adam's.
bool MuonFits(const at::Tensor& weight);

// The nearest matrix (out, in k k) with orthonormal rows or columns, roughly: five iterations of a
// quintic polynomial bring all but the smallest singular values into [0.7,1.2].
at::Tensor Orthogonalised(const at::Tensor& matrix);

// One update with Nesterov momentum, of entries of 0.2 `rate` in quadratic mean: about as long a
// step as Adam's at the same rate (Liu et al., 2025). Changes `weight` and `momentum`.
void MuonStep(at::Tensor& weight, const at::Tensor& gradient, at::Tensor& momentum, double rate,
              double beta);

}  // namespace hiif::train

#endif  // TRAIN_MUON_H_
