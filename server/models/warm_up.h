// The first runs of a model: they touch its memory, and are timed.
#ifndef SERVER_MODELS_WARM_UP_H_
#define SERVER_MODELS_WARM_UP_H_

#include "absl/status/statusor.h"
#include "model/upscaler/upscaler.h"

namespace hiif::server {

// Of one core.
struct Pace {
  double encoded_work = 0;  // multiply-adds of the encoder (WorkCost) a second
  double context_samples = 0;
  double decoded_pixels = 0;  // output pixels a second
};

// Runs a small image through every stage: the first call of a kernel allocates, packs weights and
// touches every page of them, which a request should not pay. Then once more, timed. Takes some
// tenths of a second.
absl::StatusOr<Pace> WarmUp(const Upscaler& upscaler);

}  // namespace hiif::server

#endif  // SERVER_MODELS_WARM_UP_H_
