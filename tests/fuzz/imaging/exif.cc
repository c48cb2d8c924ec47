// EXIF blocks: read, checked, changed.
#include "imaging/exif.h"

#include "tests/fuzz/target.h"

FUZZ_TARGET(exif) {
  const hiif::ExifFacts facts = hiif::ReadExif(bytes);
  FUZZ_CHECK(facts.orientation >= 1 && facts.orientation <= 8);
  hiif::CheckExif(bytes).IgnoreError();
  FUZZ_CHECK(
      hiif::UpdatedExif(
          bytes, {.size = {300, 200}, .ppi_x = 72, .ppi_y = 72, .sideways = true, .srgb = true})
          .size() <= bytes.size());
}
