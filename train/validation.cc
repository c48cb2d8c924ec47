#include "train/validation.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bicubic.h"
#include "base/psnr.h"
#include "base/status_macros.h"
#include "model/decoders/decoder.h"
#include "model/upscaler/factory.h"

namespace hiif::train {
namespace {

RgbImage CentralCrop(const PackedImage& image, int64_t height, int64_t width) {
  const int64_t top = (image.height - height) / 2;
  const int64_t left = (image.width - width) / 2;
  RgbImage out{SampleType::kU8, height, width, {}};
  for (int64_t y = 0; y < height; ++y) {
    const auto row = image.pixels.subspan(((top + y) * image.width + left) * 3, width * 3);
    out.samples.insert(out.samples.end(), row.begin(), row.end());
  }
  return out;
}

struct Sizes {
  Grid low;
  Grid high;
  int64_t shave;  // of `high`, on each side
};

absl::StatusOr<Sizes> SizesOf(const PackedImage& image, double scale, int64_t crop) {
  const auto low_of = [&](int64_t side) {
    return static_cast<int64_t>(
        std::floor(static_cast<double>(std::min(side, crop)) / scale + 1e-9));
  };
  const auto high_of = [&](int64_t low) {
    return static_cast<int64_t>(std::nearbyint(static_cast<double>(low) * scale));
  };
  const Grid low = {low_of(image.height), low_of(image.width)};
  const Grid high = {high_of(low.height), high_of(low.width)};
  const auto shave = static_cast<int64_t>(std::ceil(scale));
  if (std::min(high.height, high.width) <= 2 * shave) {
    return absl::InvalidArgumentError(absl::StrCat(
        "validation image ", image.name, " of ", image.width, "x", image.height,
        " pixels, of which --validation-crop ", crop, " are used, is too small for scale ", scale,
        ": choose other --validation-scales, or a larger crop or images"));
  }
  return Sizes{low, high, shave};
}

absl::StatusOr<double> ImagePsnr(const Upscaler& upscaler, const PackedImage& image, double scale,
                                 int64_t crop) {
  HIIF_ASSIGN_OR_RETURN(const auto sizes, SizesOf(image, scale, crop));
  const auto& [low, high, shave] = sizes;
  const RgbImage original = CentralCrop(image, high.height, high.width);
  HIIF_ASSIGN_OR_RETURN(
      const auto features,
      upscaler.Encode(std::make_shared<const RgbImage>(ResizeBicubic(original, low))));
  HIIF_ASSIGN_OR_RETURN(const auto context, upscaler.MakeContext(*features, high, {}));
  std::vector<float> out(original.samples.size());
  const RenderTile tile{
      features.get(), context.get(), {0, 0, high.width, high.height}, absl::MakeSpan(out)};
  HIIF_RETURN_IF_ERROR(upscaler.Render({&tile, 1}));
  for (float& value : out) value = ToUnit(value);
  return Psnr(out, original, shave, PsnrChannels::kLuma);
}

}  // namespace

absl::Status CheckValidation(const ModelConfig& config, const PackedDataset& dataset,
                             const ValidationOptions& options) {
  for (const double scale : options.scales) {
    for (const PackedImage& image : dataset.images()) {
      HIIF_ASSIGN_OR_RETURN(const Sizes sizes, SizesOf(image, scale, options.crop));
      const absl::Status reach = config.decoder->CheckGrid(sizes.low, sizes.high);
      if (!reach.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(reach.message(), ": choose other --validation-scales than ", scale));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> ValidationPsnr(const std::string& checkpoint,
                                                   const PackedDataset& dataset,
                                                   const ValidationOptions& options) {
  HIIF_ASSIGN_OR_RETURN(const Checkpoint weights, Checkpoint::Open(checkpoint));
  UpscalerOptions upscaler_options;
  upscaler_options.precision = Precision::kFloat32;
  upscaler_options.device = options.device;
  HIIF_ASSIGN_OR_RETURN(const auto upscaler, MakeUpscaler(weights, upscaler_options));
  std::vector<double> means;
  for (const double scale : options.scales) {
    double sum = 0;
    for (const PackedImage& image : dataset.images()) {
      HIIF_ASSIGN_OR_RETURN(const double psnr, ImagePsnr(*upscaler, image, scale, options.crop));
      sum += psnr;
    }
    means.push_back(sum / static_cast<double>(dataset.images().size()));
  }
  return means;
}

}  // namespace hiif::train
