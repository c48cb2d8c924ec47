// XMP packets. Internal to imaging.
#ifndef IMAGING_XMP_H_
#define IMAGING_XMP_H_

#include <string>

#include "absl/strings/string_view.h"
#include "base/image.h"

namespace hiif {

// The packet for a picture of `size`: tiff:Orientation 1, tiff:ImageWidth, tiff:ImageLength,
// exif:PixelXDimension and exif:PixelYDimension those of the picture, the resolution (0: left
// alone) where they are mentioned, as attributes or as elements; no xmp:Thumbnails.
std::string UpdatedXmp(absl::string_view xmp, Grid size, double ppi_x, double ppi_y);

}  // namespace hiif

#endif  // IMAGING_XMP_H_
