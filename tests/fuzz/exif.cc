// EXIF blocks: read, checked, changed.
#include <cstdint>

#include "imaging/exif.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view block(reinterpret_cast<const char*>(data), size);
  const hiif::ExifFacts facts = hiif::ReadExif(block);
  if (facts.orientation < 1 || facts.orientation > 8) __builtin_trap();
  hiif::CheckExif(block).IgnoreError();
  const std::string updated = hiif::UpdatedExif(block, {300, 200}, 72, 72);
  if (updated.size() > block.size()) __builtin_trap();
  return 0;
}
