// Photoshop's resources and the IPTC records in them.
#include "imaging/iptc.h"

#include "tests/fuzz/target.h"

FUZZ_TARGET(iptc) {
  const std::string records = hiif::IptcRecords(bytes);
  if (records.empty() || records[0] == '\x1c') return;
  FUZZ_CHECK(hiif::IptcRecords(hiif::PhotoshopBlock(records)) == records);
}
