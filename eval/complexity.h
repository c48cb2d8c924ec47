// Cost of a model: parameters and multiply-adds by arithmetic; time and memory by `hiif-eval speed`
// in a process of its own, so that the peak memory is that model's.
#ifndef EVAL_COMPLEXITY_H_
#define EVAL_COMPLEXITY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "eval/model_option.h"

namespace hiif::eval {

struct ModelCost {
  int64_t parameters = 0;
  int64_t decoder_parameters = 0;
  double work_per_input_pixel = 0;  // multiply-adds, the encoder's included
  double work_per_output_pixel = 0;
  double encode_s = 0;
  double query_s = 0;
  double pixels_per_s = 0;
  double peak_bytes = 0;
};

// On an input of `size` (SIDE or WIDTHxHEIGHT) at `scale`.
absl::StatusOr<ModelCost> MeasureCost(const ModelOption& option, const std::string& size,
                                      const std::string& scale);

}  // namespace hiif::eval

#endif  // EVAL_COMPLEXITY_H_
