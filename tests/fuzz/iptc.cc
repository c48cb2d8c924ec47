// Photoshop's resources and the IPTC records in them.
#include <cstdint>

#include "imaging/iptc.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view block(reinterpret_cast<const char*>(data), size);
  const std::string records = hiif::IptcRecords(block);
  if (!records.empty() && records[0] != '\x1c' &&
      hiif::IptcRecords(hiif::PhotoshopBlock(records)) != records)
    __builtin_trap();
  return 0;
}
