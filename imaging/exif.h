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

// The block for a picture of `size`: orientation 1, the sizes it mentions those of the picture, its
// resolution the given one where it mentions one (0: left alone), no thumbnail. Empty where the
// block is damaged.
std::string UpdatedExif(absl::string_view exif, Grid size, double ppi_x, double ppi_y);

}  // namespace hiif

#endif  // IMAGING_EXIF_H_
