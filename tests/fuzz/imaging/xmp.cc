// XMP packets, changed.
#include "imaging/xmp.h"

#include "tests/fuzz/target.h"

FUZZ_TARGET(xmp) {
  const hiif::XmpChanges changes{.input = {10, 20},
                                 .size = {30, 60},
                                 .ppi_x = 72,
                                 .ppi_y = 72,
                                 .turned = true,
                                 .sideways = true,
                                 .srgb = true};
  const std::string once = hiif::UpdatedXmp(bytes, changes);
  // What we write we read.
  FUZZ_CHECK(once.empty() || !hiif::UpdatedXmp(once, changes).empty());
}
