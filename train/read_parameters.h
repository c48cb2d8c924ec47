// The tensors of a teacher's file.
#ifndef TRAIN_READ_PARAMETERS_H_
#define TRAIN_READ_PARAMETERS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/format/safetensors.h"
#include "model/layers/layers.h"

namespace hiif::train {

// Those of `shapes`, in float32; others are left. InvalidArgument: one is missing or of another
// shape.
absl::StatusOr<Parameters> ReadParameters(
    const Safetensors& file, const std::map<std::string, std::vector<int64_t>>& shapes);

}  // namespace hiif::train

#endif  // TRAIN_READ_PARAMETERS_H_
