// Internal to model/ and train/: the network on LibTorch tensors. Parameters are plain tensors
// under their checkpoint names, so the same functions serve (constants) and train (leaves that
// require gradients).
#ifndef MODEL_NETWORK_H_
#define MODEL_NETWORK_H_

#include <ATen/ATen.h>

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/config.h"
#include "model/encoders/encoder.h"

namespace hiif {

// Names as in the checkpoint, all float32 unless the caller converted them.
using Parameters = std::map<std::string, at::Tensor>;

struct Network {
  ModelConfig config;
  Parameters parameters;
};

// Copies the parameters out of the mapped file, as float32 on the CPU.
absl::StatusOr<Network> LoadNetwork(const Checkpoint& checkpoint);

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

// Normalised image (N,3,h,w) to latent codes (N,C_e,h,w).
at::Tensor EncodeImage(const Network& network, const at::Tensor& image,
                       const Heartbeat& beat = nullptr);

// What DAT takes from its input, RGB in [0,1]: (1,3,1,1).
at::Tensor DatMean();

// Mirrors (edge repeated, NumPy's "symmetric") at the bottom and right to height x width.
at::Tensor PadSymmetric(const at::Tensor& image, int64_t height, int64_t width);
// The same without repeating the edge (NumPy's "reflect"); a side of 1 repeats itself.
at::Tensor PadReflect(const at::Tensor& image, int64_t height, int64_t width);

}  // namespace hiif

#endif  // MODEL_NETWORK_H_
