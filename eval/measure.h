// Quality of a model on a data set (model.md 6).
#ifndef EVAL_MEASURE_H_
#define EVAL_MEASURE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "eval/benchmark_set.h"
#include "model/upscaler/upscaler.h"

namespace hiif::eval {

struct MeasureOptions {
  int threads = 0;  // 0: one a core
  int64_t context_samples = kDefaultContextSamples;
  bool ssim = false;
  bool self_ensemble = false;
  // As released evaluations work (eval/released_chunks.h); 0: not.
  int64_t strip_rows = 0;
  int64_t released_tile = 0;  // side, low-resolution pixels
  int64_t released_overlap = 32;
  bool rgb = false;  // protocol of DIV2K: RGB, scale + 6 pixels shaved; else Y, scale pixels
};

struct Measured {
  double psnr = 0;  // mean of the images' dB
  double ssim = 0;
  std::vector<std::pair<std::string, double>> images;  // name, dB
};

absl::StatusOr<Measured> MeasureSet(const Upscaler& upscaler, const BenchmarkSet& set,
                                    const MeasureOptions& options);

// The output of a model for a pair, clamped, not rounded.
absl::StatusOr<std::vector<float>> OutputOf(const Upscaler& upscaler, const Pair& pair,
                                            const MeasureOptions& options);

// The border that no measure looks at: as many pixels as the scale, and `more`. InvalidArgument
// where the picture has not much beside it.
absl::StatusOr<int64_t> ShaveOf(const Pair& pair, const EvalScale& scale, int64_t more = 0);

int ThreadsOf(int option);  // 0: one a core

}  // namespace hiif::eval

#endif  // EVAL_MEASURE_H_
