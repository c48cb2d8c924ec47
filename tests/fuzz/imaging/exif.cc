// EXIF blocks: read, checked, changed.
#include "imaging/exif.h"

#include "tests/fuzz/target.h"

FUZZ_TARGET(exif) {
  const hiif::ExifFacts facts = hiif::ReadExif(bytes);
  FUZZ_CHECK(facts.orientation >= 1 && facts.orientation <= 8);
  hiif::CheckExif(bytes).IgnoreError();
  FUZZ_CHECK(hiif::UpdatedExif(bytes, {300, 200}, 72, 72).size() <= bytes.size());
}
