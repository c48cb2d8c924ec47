// XMP packets, changed.
#include <cstdint>

#include "imaging/xmp.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view packet(reinterpret_cast<const char*>(data), size);
  const hiif::XmpChanges changes{
      .input = {10, 20}, .size = {30, 60}, .ppi_x = 72, .ppi_y = 72, .turned = true};
  const std::string once = hiif::UpdatedXmp(packet, changes);
  // What we write we read.
  if (!once.empty() && hiif::UpdatedXmp(once, changes).empty()) __builtin_trap();
  return 0;
}
