// An Upscaler over any TensorDecoder (model/decoders/tensor_decoder.h): float32 on the CPU, the
// encoder in blocks, every pixel independent of tiles to the last bit.
#ifndef MODEL_UPSCALER_TENSOR_UPSCALER_H_
#define MODEL_UPSCALER_TENSOR_UPSCALER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/upscaler/reference.h"

namespace hiif {

// For checkpoints whose decoder is neither HIIF nor LIIF.
absl::StatusOr<std::unique_ptr<ReferenceUpscaler>> MakeTensorUpscaler(const Checkpoint& checkpoint);

}  // namespace hiif

#endif  // MODEL_UPSCALER_TENSOR_UPSCALER_H_
