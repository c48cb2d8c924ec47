// Probe and Decode of any bytes.
#include "imaging/decode.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(picture) {
  if (!hiif::InitImaging(1).ok()) return;  // as decoders' processes do
  const hiif::ImageLimits limits{.max_pixels = 1 << 18};
  const auto info = hiif::Probe(bytes, limits);
  if (!info.ok()) return;
  hiif::DecodeOptions options{
      .limits = limits, .convert_to_srgb = bytes.size() % 2 != 0, .clip = true};
  if (info->frames > 1) options.frame = static_cast<int>(bytes.size() % info->frames);
  const auto picture = hiif::Decode(bytes, options);
  // A header and its pixels agree, or tiles would be cut of what is not there.
  if (picture.ok() && info->frames == 1)
    FUZZ_CHECK(picture->size() == info->size && picture->channels == info->channels);
}
