// The mean over the eight flips and transpositions of an image ("geometric self-ensemble", Lim et
// al., EDSR, 2017): a little more PSNR at eight times the cost, over any Upscaler.
#ifndef MODEL_UPSCALER_SELF_ENSEMBLE_H_
#define MODEL_UPSCALER_SELF_ENSEMBLE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "model/upscaler/upscaler.h"

namespace hiif {

// Features and contexts are its own, not those of `single`. The same promise holds: a pixel does
// not depend, to the last bit, on how the grid is cut.
class SelfEnsemble : public Upscaler {
 public:
  static constexpr int kVariants = 8;

  // `single` outlives it.
  explicit SelfEnsemble(const Upscaler* single) : single_(single) {}

  const ModelConfig& config() const override { return single_->config(); }
  std::string backend() const override { return single_->backend(); }
  std::string identity() const override { return single_->identity(); }
  std::string precision() const override { return single_->precision(); }
  int64_t weights_bytes() const override { return 0; }
  WorkCost Cost(Grid input, Grid grid, const Region& region,
                const ContextOptions& options) const override;
  MemoryFootprint Footprint(Grid input, Grid grid, const Region& region,
                            const ContextOptions& options) const override;

  absl::Status CheckGrid(Grid input, Grid grid) const override {
    return single_->CheckGrid(input, grid);
  }
  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const override;
  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features& features, Grid grid, const ContextOptions& options) const override;
  absl::Status Render(absl::Span<const RenderTile> tiles) const override;
  absl::Status Query(const Features& features, const Context& context, Cell cell,
                     absl::Span<const Coordinate> coordinates,
                     absl::Span<float> out) const override;

 private:
  const Upscaler* const single_;
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_SELF_ENSEMBLE_H_
