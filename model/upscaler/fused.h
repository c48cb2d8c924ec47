// The `fused` backend: the HIIF decoder of model/kernels on the CPU, over latent codes that
// LibTorch encoded in the same precision. A tile is done by the thread that calls Render; memory
// grows with the image, never with the output.
#ifndef MODEL_UPSCALER_FUSED_H_
#define MODEL_UPSCALER_FUSED_H_

#include <memory>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/upscaler/factory.h"
#include "model/upscaler/upscaler.h"

namespace hiif {

// Unimplemented for decoders other than HIIF without ablations. kAuto: bfloat16 where it is the
// faster, else float32. What is not finite by AMX or in bfloat16 is computed again by plain
// float32.
absl::StatusOr<std::unique_ptr<Upscaler>> MakeFusedUpscaler(const Checkpoint& checkpoint,
                                                            Precision precision);

}  // namespace hiif

#endif  // MODEL_UPSCALER_FUSED_H_
