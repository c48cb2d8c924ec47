#include "imaging/probe.h"

#include "base/status_macros.h"
#include "imaging/alpha.h"
#include "imaging/codecs/loader.h"

namespace hiif {

absl::StatusOr<ImageInfo> Probe(absl::string_view bytes, const ImageLimits& limits,
                                std::optional<int> frame) {
  HIIF_ASSIGN_OR_RETURN(const auto loader, Loader::Open(bytes, limits, Purpose::kHeader, frame));
  return loader->info();
}

int64_t PictureBytes(const ImageInfo& info) {
  const int colour = 3 * SampleBytes(info.linear ? SampleType::kF32 : info.type);
  const int alpha = info.has_alpha() ? SampleBytes(info.type) : 0;
  return info.size.width * info.size.height * (colour + alpha);
}

int64_t DecodeBytes(const ImageInfo& info) {
  // What is kept, the whole image inside the decoders that hold it, and the pyramid that continues
  // colour under transparent pixels.
  int64_t decoder = (info.channels + (info.cmyk ? 1 : 0)) * SampleBytes(info.type);
  // libjxl: three planes of floats, and as many coefficients where the file is progressive.
  if (info.format == ImageFormat::kJxl) decoder += 2 * 3 * 4;
  // A canvas of frames, and one of them.
  if (info.format == ImageFormat::kPng && info.frames > 1) decoder *= 2;
  return PictureBytes(info) + info.size.width * info.size.height * decoder +
         (info.has_alpha() ? ColourUnderAlphaBytes(info.size) : 0);
}

}  // namespace hiif
