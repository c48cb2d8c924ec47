// Directories of TIFF files and what of them is kept.
#include <cstdint>

#include "imaging/tiff_directory.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view block(reinterpret_cast<const char*>(data), size);
  const hiif::ExifParts parts = hiif::SplitExif(block);
  size_t copied = 0;
  for (const auto* directory : {&parts.texts, &parts.details, &parts.gps})
    for (const hiif::TiffEntry& e : *directory) copied += e.value.size();
  if (copied > size) __builtin_trap();
  hiif::SplitExif(hiif::JoinExif(parts));
  return 0;
}
