// Keeps the colours of an enlargement near those of the image, over any Upscaler: networks that
// learnt from photographs tint dither, screentone and thin lines, and grey then is not grey.
//
// The colour of a pixel is (R-G, B-G). Those of the 4 x 4 pixels around a position span a range;
// what lies further outside than `slack` times its width is brought back, and the luma
// 0.299 R + 0.587 G + 0.114 B stays. Where the image is grey the enlargement is grey, to the bit.
// Everything else is left as it is, to the bit.
#ifndef MODEL_UPSCALER_COLOUR_LIMIT_H_
#define MODEL_UPSCALER_COLOUR_LIMIT_H_

#include <memory>
#include <utility>
#include <vector>

#include "model/upscaler/wrapped_upscaler.h"

namespace hiif {

class ColourLimit : public WrappedUpscaler {
 public:
  // slack >= 0.
  ColourLimit(std::unique_ptr<Upscaler> limited, float slack)
      : WrappedUpscaler(limited.get()), limited_(std::move(limited)), slack_(slack) {}

  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const override;
  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features& features, Grid grid, const ContextOptions& options) const override;
  absl::Status Render(absl::Span<const RenderTile> tiles) const override;
  absl::Status Query(const Features& features, const Context& context, Cell cell,
                     absl::Span<const Coordinate> coordinates,
                     absl::Span<float> out) const override;
  std::vector<float> FeaturePlanes(const Features& features) const override;
  std::vector<float> JoinedPlanes(const Features& features) const override;

 private:
  const std::unique_ptr<Upscaler> limited_;
  const float slack_;
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_COLOUR_LIMIT_H_
