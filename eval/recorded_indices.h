// Nearest low-resolution pixels that a recorded case holds (`index_rows*`, `index_cols*`).
#ifndef EVAL_RECORDED_INDICES_H_
#define EVAL_RECORDED_INDICES_H_

#include <cstdint>

#include "base/image.h"
#include "model/config.h"
#include "model/format/safetensors.h"

namespace hiif::eval {

// How many of them differ from ours; -1 where the case holds none.
int64_t WrongIndices(const Safetensors& recorded, const ModelConfig& config, Grid low, Grid high);

}  // namespace hiif::eval

#endif  // EVAL_RECORDED_INDICES_H_
