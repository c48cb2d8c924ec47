// Probe and Decode of any bytes.
#include <cstdint>

#include "imaging/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const hiif::ImageLimits limits{.max_pixels = 1 << 18};
  const auto info = hiif::Probe(bytes, limits);
  if (!info.ok()) return 0;
  hiif::DecodeOptions options{.limits = limits, .convert_to_srgb = (size & 1) != 0, .clip = true};
  if (info->frames > 1) options.frame = static_cast<int>(size % info->frames);
  const auto picture = hiif::Decode(bytes, options);
  // A header and its pixels agree, or tiles would be cut of what is not there.
  if (picture.ok() && info->frames == 1 &&
      (!(picture->size() == info->size) || picture->channels != info->channels))
    __builtin_trap();
  return 0;
}
