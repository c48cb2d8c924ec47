#include "imaging/probe.h"

#include "base/status_macros.h"
#include "imaging/codecs/loader.h"

namespace hiif {

absl::StatusOr<ImageInfo> Probe(absl::string_view bytes, const ImageLimits& limits,
                                std::optional<int> frame) {
  HIIF_ASSIGN_OR_RETURN(const auto loader, Loader::Open(bytes, limits, frame));
  return loader->info();
}

int64_t DecodeBytes(const ImageInfo& info) {
  const int64_t pixels = info.size.width * info.size.height;
  const int64_t sample = SampleBytes(info.type);
  // What is kept, the whole image inside the decoders that hold it, and the pyramid that continues
  // colour under transparent pixels (four floats for a quarter, a sixteenth, ... of the pixels).
  const int64_t kept = 3 * sample + (info.has_alpha() ? sample : 0);
  int64_t decoder = (info.channels + (info.cmyk ? 1 : 0)) * sample;
  // libjxl: three planes of floats, and as many coefficients where the file is progressive.
  if (info.format == ImageFormat::kJxl) decoder += 2 * 3 * 4;
  const int64_t pyramid = info.has_alpha() ? 6 : 0;
  return pixels * (kept + decoder + pyramid);
}

}  // namespace hiif
