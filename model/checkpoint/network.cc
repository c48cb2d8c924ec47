#include "model/checkpoint/network.h"

#include "base/status_macros.h"
#include "model/encoders/encoder.h"

namespace hiif {

absl::StatusOr<Network> LoadNetwork(const Checkpoint& checkpoint) {
  Network network{checkpoint.config(), {}};
  for (const auto& [name, shape] : ParameterShapes(checkpoint.config())) {
    HIIF_ASSIGN_OR_RETURN(std::vector<float> values, checkpoint.tensors().Floats(name));
    network.parameters[name] = at::from_blob(values.data(), shape, at::kFloat).clone();
  }
  return network;
}

at::Tensor EncodeImage(const Network& network, const at::Tensor& image, const Heartbeat& beat) {
  return network.config.encoder->Forward(Scope(network.parameters, "encoder."), image, beat);
}

}  // namespace hiif
