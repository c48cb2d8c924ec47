// Directories of TIFF files and what of them is kept.
#include "imaging/tiff_directory.h"

#include "tests/fuzz/target.h"

FUZZ_TARGET(tiff_directory) {
  const hiif::ExifParts parts = hiif::SplitExif(bytes);
  size_t copied = 0;
  for (const auto* directory : {&parts.texts, &parts.details, &parts.gps})
    for (const hiif::TiffEntry& e : *directory) copied += e.value.size();
  FUZZ_CHECK(copied <= bytes.size());
  hiif::SplitExif(hiif::JoinExif(parts));
}
