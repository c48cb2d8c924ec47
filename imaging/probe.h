// What a file is, from its header alone.
#ifndef IMAGING_PROBE_H_
#define IMAGING_PROBE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/image.h"
#include "imaging/format.h"
#include "imaging/metadata.h"

namespace hiif {

struct ImageInfo {
  ImageFormat format = ImageFormat::kPng;
  Grid stored;                        // as in the file
  Grid size;                          // after the orientation was applied
  int channels = 0;                   // after decoding: 1 grey, 2 grey+alpha, 3 RGB, 4 RGB+alpha
  SampleType type = SampleType::kU8;  // after decoding
  bool palette = false;               // decoded to RGB or RGB+alpha
  bool cmyk = false;                  // decoded to sRGB
  bool linear = false;                // colours become floats, unless they are converted to sRGB
  int orientation = 1;                // EXIF, 1 to 8
  int frames = 1;                     // of an animation, or pages
  Metadata metadata;                  // as in the file; a profile for colour told otherwise
  std::vector<std::string> warnings;  // of what is left out, a sentence each
  bool has_alpha() const { return channels == 2 || channels == 4; }
};

struct ImageLimits {
  int64_t max_pixels = 50'000'000;
};

// For who reads headers alone and leaves it to a server what is too large.
inline constexpr ImageLimits kNoImageLimits{int64_t{1} << 40};

// Reads the header, decodes nothing. InvalidArgument, with a reason a user understands: empty, not
// an image of a known format, a damaged header, more pixels than the limit. Never crashes, whatever
// the bytes. Any thread.
// frame: as in DecodeOptions; sizes are those of that frame.
absl::StatusOr<ImageInfo> Probe(absl::string_view bytes, const ImageLimits& limits = {},
                                std::optional<int> frame = std::nullopt);

// Most memory that the samples of the picture take, in bytes.
int64_t PictureBytes(const ImageInfo& info);
// Most memory that decoding such a file takes, the picture included, in bytes.
int64_t DecodeBytes(const ImageInfo& info);

}  // namespace hiif

#endif  // IMAGING_PROBE_H_
