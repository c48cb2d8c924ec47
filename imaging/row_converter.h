// Samples as the client has them to samples as a format stores them. Internal to imaging.
#ifndef IMAGING_ROW_CONVERTER_H_
#define IMAGING_ROW_CONVERTER_H_

#include <cstdint>

#include "base/image.h"

namespace hiif {

struct PixelLayout {
  int channels = 3;
  SampleType type = SampleType::kU8;
  int64_t bytes() const { return static_cast<int64_t>(channels) * SampleBytes(type); }
  bool operator==(const PixelLayout&) const = default;
};

// Fewer bits: round half up; floats are clamped. Alpha that `to` does not have: laid on white. Grey
// becomes RGB where `to` has colour; colour never becomes grey. in and out do not overlap.
void ConvertPixels(PixelLayout from, const void* in, PixelLayout to, void* out, int64_t pixels);

}  // namespace hiif

#endif  // IMAGING_ROW_CONVERTER_H_
