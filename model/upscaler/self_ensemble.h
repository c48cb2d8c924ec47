// The mean over the eight flips and transpositions of an image ("geometric self-ensemble", Lim et
// al., EDSR, 2017): a little more PSNR at eight times the cost, over any Upscaler.
#ifndef MODEL_UPSCALER_SELF_ENSEMBLE_H_
#define MODEL_UPSCALER_SELF_ENSEMBLE_H_

#include <cstdint>
#include <memory>

#include "model/upscaler/wrapped_upscaler.h"

namespace hiif {

class SelfEnsemble : public WrappedUpscaler {
 public:
  static constexpr int kVariants = 8;

  // `single` outlives it.
  explicit SelfEnsemble(const Upscaler* single) : WrappedUpscaler(single) {}

  int64_t weights_bytes() const override { return 0; }
  WorkCost Cost(Grid input, Grid grid, const Region& region,
                const ContextOptions& options) const override;
  MemoryFootprint Footprint(Grid input, Grid grid, const Region& region,
                            const ContextOptions& options) const override;

  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const override;
  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features& features, Grid grid, const ContextOptions& options) const override;
  absl::Status Render(absl::Span<const RenderTile> tiles) const override;
  absl::Status Query(const Features& features, const Context& context, Cell cell,
                     absl::Span<const Coordinate> coordinates,
                     absl::Span<float> out) const override;
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_SELF_ENSEMBLE_H_
