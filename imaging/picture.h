// A decoded picture: what the network gets, and what is needed to make client samples of its
// output.
#ifndef IMAGING_PICTURE_H_
#define IMAGING_PICTURE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/image.h"
#include "imaging/metadata.h"

namespace hiif {

// One sample a pixel, rows without padding; values as in RgbImage.
struct Plane {
  SampleType type = SampleType::kU8;
  std::vector<uint8_t> samples;
  bool empty() const { return samples.empty(); }
};

// Immutable once made.
struct Picture {
  // For the network: grey repeated three times, colour under transparent pixels continued from
  // what is visible around them, linear light encoded with the sRGB curve.
  std::shared_ptr<const RgbImage> colour;
  // Same size; empty: opaque.
  Plane alpha;
  // Of the client: 1 grey, 2 grey+alpha, 3 RGB, 4 RGB+alpha.
  int channels = 3;
  SampleType type = SampleType::kU8;
  // The client's samples are linear light; colour above is not.
  bool linear = false;
  // The file's; its profile is that of the pixels as they are now, empty: sRGB, or unknown.
  Metadata metadata;
  int orientation_applied = 1;
  // What the user should know, one sentence each ("CMYK without a profile: ...").
  std::vector<std::string> warnings;

  Grid size() const { return {colour->height, colour->width}; }
  bool has_alpha() const { return channels == 2 || channels == 4; }
  int64_t bytes() const;
};

// A picture of samples without a file: interleaved, little-endian, straight alpha, rows without
// padding. InvalidArgument where channels, sizes and bytes do not fit, or a float is not in [0,1]
// and not to be clipped.
absl::StatusOr<Picture> PictureFromSamples(Grid size, int channels, SampleType type,
                                           absl::string_view samples, bool clip = false);

}  // namespace hiif

#endif  // IMAGING_PICTURE_H_
