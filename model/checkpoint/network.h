// Internal to model/ and train/: a network as LibTorch tensors.
#ifndef MODEL_CHECKPOINT_NETWORK_H_
#define MODEL_CHECKPOINT_NETWORK_H_

#include <ATen/ATen.h>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/config.h"
#include "model/layers/heartbeat.h"
#include "model/layers/layers.h"

namespace hiif {

struct Network {
  ModelConfig config;
  Parameters parameters;
};

// Copies the parameters out of the file, as float32 on the CPU.
absl::StatusOr<Network> LoadNetwork(const Checkpoint& checkpoint);

// Normalised image (N,3,h,w) to latent codes (N,C_e,h,w).
at::Tensor EncodeImage(const Network& network, const at::Tensor& image,
                       const Heartbeat& beat = nullptr);

}  // namespace hiif

#endif  // MODEL_CHECKPOINT_NETWORK_H_
