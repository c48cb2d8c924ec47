// The header of any bytes, and what its decoder would take.
#include "imaging/probe.h"
#include "imaging/decode.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(probe) {
  if (!hiif::InitImaging(1).ok()) return;
  const hiif::ImageLimits limits{.max_pixels = 50'000'000};
  const auto info = hiif::Probe(bytes, limits);
  if (!info.ok()) {
    FUZZ_CHECK(info.status().message().size() < 1000);
    return;
  }
  FUZZ_CHECK(info->size.width >= 1 && info->size.height >= 1);
  FUZZ_CHECK(info->size.width * info->size.height <= limits.max_pixels);
  FUZZ_CHECK(info->channels >= 1 && info->channels <= 4);
  FUZZ_CHECK(info->frames >= 1);
  FUZZ_CHECK(hiif::DecodeBytes(*info) > 0);
  hiif::Probe(bytes, limits, info->frames - 1).IgnoreError();
}
