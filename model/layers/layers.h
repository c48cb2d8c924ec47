// Internal to model/ and train/: layers on LibTorch tensors. Parameters are plain tensors under
// their checkpoint names, so the same functions serve (constants) and train (leaves that require
// gradients).
#ifndef MODEL_LAYERS_LAYERS_H_
#define MODEL_LAYERS_LAYERS_H_

#include <ATen/ATen.h>

#include <map>
#include <string>

#include "model/layers/heartbeat.h"

namespace hiif {

// Names as in the checkpoint, all float32 unless the caller converted them.
using Parameters = std::map<std::string, at::Tensor>;

// Some parameters, seen from below a prefix: At("body.0") of Scope(p, "encoder.") is
// "encoder.body.0".
class Scope {
 public:
  Scope(const Parameters& parameters, std::string prefix)
      : parameters_(&parameters), prefix_(std::move(prefix)) {}
  Scope Below(const std::string& name) const { return {*parameters_, prefix_ + name + "."}; }
  const at::Tensor& At(const std::string& name) const { return parameters_->at(prefix_ + name); }

 private:
  const Parameters* parameters_;
  std::string prefix_;
};

// The usual layers; `scope` holds "weight" and "bias".
at::Tensor Conv(const at::Tensor& x, const Scope& scope);       // (N,C,h,w), stride 1, same size
at::Tensor Linear(const at::Tensor& x, const Scope& scope);     // (...,C)
at::Tensor LayerNorm(const at::Tensor& x, const Scope& scope);  // over the last dimension, eps 1e-5

// x + y; where no gradient is taken, in the memory of x: large tensors cost page faults.
at::Tensor AddTo(at::Tensor& x, const at::Tensor& y);

// Whether results are kept for a gradient: then nothing is written in place, nor done in bands.
bool TakesGradient();

// What Beat() throws, to be caught where LibTorch's exceptions are.
struct Interrupted {};
void Beat(const Heartbeat& beat);

// Mirrors (edge repeated, NumPy's "symmetric") at the bottom and right to height x width.
at::Tensor PadSymmetric(const at::Tensor& image, int64_t height, int64_t width);
// The same without repeating the edge (NumPy's "reflect"); a side of 1 repeats itself.
at::Tensor PadReflect(const at::Tensor& image, int64_t height, int64_t width);

}  // namespace hiif

#endif  // MODEL_LAYERS_LAYERS_H_
