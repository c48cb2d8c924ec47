// Internal to model/engine: the engine of every decoder that is asked by points
// (model/decoders/point_decoder.h), for the backends on LibTorch; float32.
#ifndef MODEL_ENGINE_POINTS_H_
#define MODEL_ENGINE_POINTS_H_

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/engine/engine.h"

namespace hiif {

absl::StatusOr<std::unique_ptr<Engine>> MakePointEngine(const Checkpoint& checkpoint,
                                                        std::string identity,
                                                        const at::Device& device);

}  // namespace hiif

#endif  // MODEL_ENGINE_POINTS_H_
