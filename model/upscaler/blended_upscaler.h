// Between a network that is faithful to its input and one of more imagination: a pixel is
// (1 - strength) * faithful + strength * sharp, strength in [0,1] by ContextOptions. At the cost of
// both; features serve every strength.
#ifndef MODEL_UPSCALER_BLENDED_UPSCALER_H_
#define MODEL_UPSCALER_BLENDED_UPSCALER_H_

#include <memory>

#include "model/upscaler/wrapped_upscaler.h"

namespace hiif {

class BlendedUpscaler : public WrappedUpscaler {
 public:
  static constexpr int kNetworks = 2;

  // Both of the same sizes and by the same engine. They outlive it.
  BlendedUpscaler(const Upscaler* faithful, const Upscaler* sharp)
      : WrappedUpscaler(sharp), faithful_(*faithful) {}

  int64_t weights_bytes() const override { return 0; }
  WorkCost Cost(Grid input, Grid grid, const Region& region,
                const ContextOptions& options) const override;
  MemoryFootprint Footprint(Grid input, Grid grid, const Region& region,
                            const ContextOptions& options) const override;

  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const override;
  // InvalidArgument too where the strength is not in [0,1].
  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features& features, Grid grid, const ContextOptions& options) const override;
  absl::Status Render(absl::Span<const RenderTile> tiles) const override;
  absl::Status Query(const Features& features, const Context& context, Cell cell,
                     absl::Span<const Coordinate> coordinates,
                     absl::Span<float> out) const override;

 private:
  const Upscaler& sharp() const { return inner(); }
  const Upscaler& faithful_;
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_BLENDED_UPSCALER_H_
