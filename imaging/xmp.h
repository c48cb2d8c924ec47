// XMP packets. Internal to imaging.
#ifndef IMAGING_XMP_H_
#define IMAGING_XMP_H_

#include <string>

#include "absl/strings/string_view.h"
#include "base/image.h"

namespace hiif {

struct XmpChanges {
  Grid input;        // size of the picture that the packet is of
  Grid size;         // of the one that it is to be of
  double ppi_x = 0;  // where it mentions a resolution; 0: left alone
  double ppi_y = 0;
  bool turned = false;    // its orientation has been applied
  bool sideways = false;  // what it says of the width is of the height: resolutions change places
  bool srgb = false;      // the pixels are sRGB now, whatever it says
};

// The packet with sizes, resolution, orientation and colour space as they are now; without
// thumbnails and without what points at data of the original's file (a video, a gain map, a depth
// map, more XMP). Empty where it is no XML, or none that a picture would have. Linear in the
// packet's length.
std::string UpdatedXmp(absl::string_view xmp, const XmpChanges& changes);

}  // namespace hiif

#endif  // IMAGING_XMP_H_
