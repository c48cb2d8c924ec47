// Headers of video, and frames of what they say.
#include <cstdint>
#include <string>

#include "imaging/y4m.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto format = hiif::ParseY4mHeader(text.substr(0, text.find('\n')));
  if (!format.ok() || format->size.width > 64 || format->size.height > 64) return 0;
  std::string frame = text.substr(0, format->FrameBytes());
  frame.resize(format->FrameBytes());
  const auto rgb = hiif::FrameToRgb(*format, frame);
  if (static_cast<int64_t>(hiif::FrameFromRgb(*format, rgb).size()) != format->FrameBytes())
    __builtin_trap();
  if (!hiif::ParseY4mHeader(hiif::Y4mHeader(hiif::Resized(*format, {50, 70}))).ok())
    __builtin_trap();
  return 0;
}
