// EXIF blocks, changed in place: maker notes hold offsets that do not survive a move. Internal to
// imaging.
#ifndef IMAGING_EXIF_H_
#define IMAGING_EXIF_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/image.h"

namespace hiif {

struct ExifFacts {
  bool valid = false;   // begins as such a block does
  int orientation = 1;  // 1 to 8; 1 where the block says nothing
  double ppi_x = 0;     // pixels per inch; 0: not said
  double ppi_y = 0;
};

// Read as the usual readers do: an orientation of whatever count, a directory cut short.
ExifFacts ReadExif(absl::string_view exif);

// InvalidArgument for a block whose entries add up to more than it holds: libexif, which libvips
// hands some of them to, copies each.
absl::Status CheckExif(absl::string_view exif);

struct ExifChanges {
  Grid size;         // of the picture that the block is to be of
  double ppi_x = 0;  // where it mentions a resolution; 0: left as it is
  double ppi_y = 0;
  bool sideways = false;  // what it says of the width is of the height: resolutions change places
  bool srgb = false;      // the pixels are sRGB now, whatever it says
};

// The block with sizes, resolution and colour space, where it mentions them, as they are now;
// orientation 1, no thumbnail. Empty where the block is damaged.
std::string UpdatedExif(absl::string_view exif, const ExifChanges& changes);

}  // namespace hiif

#endif  // IMAGING_EXIF_H_
