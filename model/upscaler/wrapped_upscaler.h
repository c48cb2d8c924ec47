// What an Upscaler over another one says of itself: what the other says.
#ifndef MODEL_UPSCALER_WRAPPED_UPSCALER_H_
#define MODEL_UPSCALER_WRAPPED_UPSCALER_H_

#include <cstdint>
#include <string>

#include "model/upscaler/upscaler.h"

namespace hiif {

// Features and contexts are those of who derives, not of `inner`, so whatever takes them is left to
// it. The same promise holds: a pixel does not depend, to the last bit, on how the grid is cut.
class WrappedUpscaler : public Upscaler {
 public:
  // `inner` outlives it.
  explicit WrappedUpscaler(const Upscaler* inner) : inner_(*inner) {}

  const ModelConfig& config() const override { return inner_.config(); }
  std::string backend() const override { return inner_.backend(); }
  std::string identity() const override { return inner_.identity(); }
  std::string precision() const override { return inner_.precision(); }
  int64_t weights_bytes() const override { return inner_.weights_bytes(); }
  WorkCost Cost(Grid input, Grid grid, const Region& region,
                const ContextOptions& options) const override {
    return inner_.Cost(input, grid, region, options);
  }
  MemoryFootprint Footprint(Grid input, Grid grid, const Region& region,
                            const ContextOptions& options) const override {
    return inner_.Footprint(input, grid, region, options);
  }
  absl::Status CheckGrid(Grid input, Grid grid) const override {
    return inner_.CheckGrid(input, grid);
  }

 protected:
  const Upscaler& inner() const { return inner_; }

 private:
  const Upscaler& inner_;
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_WRAPPED_UPSCALER_H_
