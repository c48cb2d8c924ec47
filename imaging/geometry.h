// The size of an output. Every size is rounded here and nowhere else, once, half up.
#ifndef IMAGING_GEOMETRY_H_
#define IMAGING_GEOMETRY_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/image.h"

namespace hiif {

// What a factor may be; the output is never smaller than the input.
inline constexpr double kMinScale = 1.0;
inline constexpr double kMaxScale = 32.0;

// round(length * scale), half up. length >= 1, scale in [kMinScale, kMaxScale].
int64_t ScaledLength(int64_t length, double scale);

// The output for horizontal and vertical factors; ry == 0 stands for rx. InvalidArgument names the
// factor that is not in [kMinScale, kMaxScale] ("rx: ...").
absl::StatusOr<Grid> GridFromScale(Grid input, double rx, double ry);

// The output for a target width and height, either of which may be 0: then it follows from the
// other at equal factors. With both given the aspect ratio is whatever they say. InvalidArgument
// where a side is smaller than the input's or more than kMaxScale times it.
absl::StatusOr<Grid> GridFromTarget(Grid input, int64_t width, int64_t height);

// The largest output of the input's aspect ratio that fits inside width x height; one side is met
// exactly. Errors as GridFromTarget.
absl::StatusOr<Grid> GridInside(Grid input, int64_t width, int64_t height);

// The output of the input's aspect ratio whose longer side is `length`.
absl::StatusOr<Grid> GridFromLongSide(Grid input, int64_t length);

// The output of the input's aspect ratio with about megapixels * 10^6 pixels.
absl::StatusOr<Grid> GridFromMegapixels(Grid input, double megapixels);

}  // namespace hiif

#endif  // IMAGING_GEOMETRY_H_
