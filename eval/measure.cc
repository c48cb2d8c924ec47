#include "eval/measure.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/psnr.h"
#include "base/status_macros.h"
#include "eval/enlarge.h"
#include "eval/released_chunks.h"
#include "eval/ssim.h"
#include "model/upscaler/self_ensemble.h"

namespace hiif::eval {

int ThreadsOf(int option) {
  return option > 0 ? option : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

namespace {

absl::StatusOr<std::vector<float>> ReleasedOutputOf(const Upscaler& upscaler, const Pair& pair,
                                                    const MeasureOptions& options) {
  const Grid grid{pair.high.height, pair.high.width};
  std::vector<float> out;
  if (options.released_tile > 0) {
    HIIF_ASSIGN_OR_RETURN(out,
                          RenderReleasedTiles(upscaler, *pair.low, grid,
                                              {options.released_tile, options.released_overlap}));
  } else {
    HIIF_ASSIGN_OR_RETURN(const auto features, upscaler.Encode(pair.low));
    HIIF_ASSIGN_OR_RETURN(out, RenderReleasedStrips(upscaler, *features, grid, options.strip_rows));
  }
  for (float& value : out) value = ToUnit(value);
  return out;
}

}  // namespace

absl::StatusOr<std::vector<float>> OutputOf(const Upscaler& upscaler, const Pair& pair,
                                            const MeasureOptions& options) {
  const SelfEnsemble ensemble(&upscaler);
  const Upscaler& used = options.self_ensemble ? ensemble : upscaler;
  if (options.strip_rows > 0 || options.released_tile > 0) {
    return ReleasedOutputOf(upscaler, pair, options);
  }
  return Enlarge(
      used, pair.low, {pair.high.height, pair.high.width},
      {.threads = ThreadsOf(options.threads), .context_samples = options.context_samples});
}

absl::StatusOr<int64_t> ShaveOf(const Pair& pair, const EvalScale& scale, int64_t more) {
  constexpr int64_t kWindow = 11;  // of SSIM
  const auto shave = static_cast<int64_t>(std::ceil(std::max(scale.x, scale.y))) + more;
  if (std::min(pair.high.height, pair.high.width) >= 2 * shave + kWindow) return shave;
  return absl::InvalidArgumentError(
      absl::StrCat(pair.name, ": too small for scale ", scale.ToString()));
}

absl::StatusOr<Measured> MeasureSet(const Upscaler& upscaler, const BenchmarkSet& set,
                                    const MeasureOptions& options) {
  Measured mean;
  const int64_t images = set.images();
  for (int64_t i = 0; i < images; ++i) {
    HIIF_ASSIGN_OR_RETURN(const Pair pair, set.Load(i));
    HIIF_ASSIGN_OR_RETURN(const int64_t shave, ShaveOf(pair, set.scale(), options.rgb ? 6 : 0));
    HIIF_ASSIGN_OR_RETURN(const std::vector<float> out, OutputOf(upscaler, pair, options));
    const double psnr =
        Psnr(out, pair.high, shave, options.rgb ? PsnrChannels::kRgb : PsnrChannels::kLuma);
    mean.images.emplace_back(pair.name, psnr);
    mean.psnr += psnr / static_cast<double>(images);
    if (options.ssim) mean.ssim += Ssim(out, pair.high, shave) / static_cast<double>(images);
  }
  return mean;
}

}  // namespace hiif::eval
