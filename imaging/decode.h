// From the bytes of a file to a picture.
#ifndef IMAGING_DECODE_H_
#define IMAGING_DECODE_H_

#include <functional>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "imaging/picture.h"
#include "imaging/probe.h"

namespace hiif {

struct DecodeOptions {
  ImageLimits limits;
  // Converts to sRGB by the embedded profile; otherwise pixels stay in the file's own space and
  // keep the profile. CMYK and Lab are converted in any case.
  bool convert_to_srgb = false;
  // Clips floats to [0,1]; otherwise a value outside is InvalidArgument.
  bool clip = false;
  // Which frame of an animation or page of a document, from 0; unset: a file of several is
  // InvalidArgument.
  std::optional<int> frame;
  // Asked between strips; true stops with Cancelled. May be empty.
  std::function<bool()> cancelled;
};

// InvalidArgument: everything Probe refuses, and damaged or truncated data. Orientation is applied.
// Any thread.
absl::StatusOr<Picture> Decode(absl::string_view bytes, const DecodeOptions& options = {});

// Once, before anything else of imaging: worker threads libvips may use for one picture (0: one a
// core). Without this call the first use initialises with 0.
absl::Status InitImaging(int threads);

}  // namespace hiif

#endif  // IMAGING_DECODE_H_
