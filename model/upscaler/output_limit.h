// Keeps an enlargement near the image that it is of, over any Upscaler, in what networks that
// learnt from photographs get wrong: dither, screentone, thin lines and text.
//
// Both limits look at the 4 x 4 pixels around a position (on the border the outermost repeat):
//
// - Colours. The colour of a pixel is (R-G, B-G); those of the 16 pixels span a range. What lies
//   further outside than `colour_slack` times its width is brought back, and the luma
//   0.299 R + 0.587 G + 0.114 B stays. Where the image is grey the enlargement is grey, to the bit.
// - Tones. Where a channel has two tones alone, drawn edges and not sharp ones of a photograph, it
//   stays within its range, widened by `tone_slack` times its width on either side. 13 of the 16
//   pixels at the ends of the range (within 2.1 % of its width) are two tones; each that is missing
//   allows 0.4 of the width more; with 8 or less nothing is limited.
//
// Everything else is left as it is, to the bit. Between neighbouring 4 x 4 pixels a limit jumps;
// the output does only where it was limited.
#ifndef MODEL_UPSCALER_OUTPUT_LIMIT_H_
#define MODEL_UPSCALER_OUTPUT_LIMIT_H_

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "model/upscaler/wrapped_upscaler.h"

namespace hiif {

// Each >= 0; none: not limited.
struct OutputLimits {
  std::optional<float> colour_slack;
  std::optional<float> tone_slack;
};

class OutputLimit : public WrappedUpscaler {
 public:
  OutputLimit(std::unique_ptr<Upscaler> limited, OutputLimits limits)
      : WrappedUpscaler(limited.get()), limited_(std::move(limited)), limits_(limits) {}

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
  const OutputLimits limits_;
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_OUTPUT_LIMIT_H_
