// Comparison with recorded cases (the fixtures' README gives the format).
#ifndef EVAL_PARITY_H_
#define EVAL_PARITY_H_

#include <string>

#include "absl/status/statusor.h"
#include "model/upscaler/factory.h"

namespace hiif::eval {

struct ParityOptions {
  Backend backend = Backend::kReference;
  Precision precision = Precision::kFloat32;
  std::string device = "cpu";  // or "cuda", "cuda:N"
  double features_tolerance = 1e-4;
  double output_tolerance = 2e-4;  // of raw_output
};

// Largest differences; negative where the case holds no such tensor, or the backend does not show
// it.
struct ParityResult {
  double features = -1;
  double coordinates = -1;
  double cell = -1;
  int64_t wrong_bits = -1;  // or indices of low-resolution pixels
  double non_local = -1;    // CiaoSR's map
  double raw_output = -1;
  double image = -1;
  bool passed = false;
};

// `path` is NAME.CASE.safetensors, with NAME.weights.safetensors beside it; NAME ends at the first
// dot. The error names the file.
absl::StatusOr<ParityResult> CompareCase(const std::string& path, const ParityOptions& options);

}  // namespace hiif::eval

#endif  // EVAL_PARITY_H_
