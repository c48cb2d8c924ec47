// The engines there are, made of a checkpoint. Each is Unimplemented where it does not serve the
// checkpoint's decoder or the machine.
#ifndef MODEL_ENGINE_ENGINES_H_
#define MODEL_ENGINE_ENGINES_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/engine/engine.h"
#include "model/engine/precision.h"

namespace hiif {

// LibTorch on the CPU, operation by operation as the released code; float32. Slow, and the judge of
// the others. Serves every encoder, decoder, ablation and coordinate mode.
absl::StatusOr<std::unique_ptr<Engine>> MakeReferenceEngine(const Checkpoint& checkpoint);

// LibTorch on a CUDA device or, portable, on the CPU: HIIF by the algebra of model/hiif/folded.h,
// other decoders but LIIF as they are written, in float32. Groups
// of several images share a call: their contexts are a batch of weights. InvalidArgument where
// `device` is no name of a device. On a GPU, as far as there is one, the decoder is one kernel
// (model/kernels/cuda); HIIF_CUDA_DECODER in the environment says otherwise (block_decoder.h).
absl::StatusOr<std::unique_ptr<Engine>> MakeTorchEngine(const Checkpoint& checkpoint,
                                                        Precision precision,
                                                        const std::string& device);

// The kernels of model/kernels on the CPU.
struct CpuEngines {
  std::unique_ptr<Engine> engine;
  // Takes what is not finite by `engine`, over its latent codes: plain float32. Null where `engine`
  // is that itself.
  std::unique_ptr<Engine> exact;
};
// kAuto: bfloat16 where it is the faster, else float32.
absl::StatusOr<CpuEngines> MakeCpuEngines(const Checkpoint& checkpoint, Precision precision);

}  // namespace hiif

#endif  // MODEL_ENGINE_ENGINES_H_
