// Headers of video, and frames of what they say.
#include "imaging/y4m.h"

#include <string>

#include "tests/fuzz/target.h"

FUZZ_TARGET(y4m) {
  const auto format = hiif::ParseY4mHeader(std::string(bytes.substr(0, bytes.find('\n'))));
  if (!format.ok() || format->size.width > 64 || format->size.height > 64) return;
  std::string frame(bytes.substr(0, format->FrameBytes()));
  frame.resize(format->FrameBytes());
  const auto rgb = hiif::FrameToRgb(*format, frame);
  FUZZ_CHECK(static_cast<int64_t>(hiif::FrameFromRgb(*format, rgb).size()) == format->FrameBytes());
  FUZZ_CHECK(
      hiif::ParseY4mHeader(hiif::Y4mHeader(hiif::Resized(*format, format->size, {50, 70}))).ok());
}
