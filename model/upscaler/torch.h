// The `torch` backend: the HIIF decoder by the algebra of model.md 2.3 on LibTorch, on a CUDA
// device or, portable, on the CPU. Tiles of several images share a call: only their attention
// contexts differ, and those are a batch of weights.
#ifndef MODEL_UPSCALER_TORCH_H_
#define MODEL_UPSCALER_TORCH_H_

#include <memory>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/upscaler/factory.h"
#include "model/upscaler/upscaler.h"

namespace hiif {

// Unimplemented for decoders other than HIIF without ablations, and where `device` is not there.
absl::StatusOr<std::unique_ptr<Upscaler>> MakeTorchUpscaler(const Checkpoint& checkpoint,
                                                            Precision precision,
                                                            const std::string& device);

}  // namespace hiif

#endif  // MODEL_UPSCALER_TORCH_H_
