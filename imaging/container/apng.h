// The frames of an animated PNG (PNG, third edition, 11.3.6). Internal to imaging.
#ifndef IMAGING_CONTAINER_APNG_H_
#define IMAGING_CONTAINER_APNG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/image.h"

namespace hiif {

enum class ApngDispose : uint8_t { kNone = 0, kBackground = 1, kPrevious = 2 };

struct ApngFrame {
  Region place;  // on the canvas, inside it
  int duration_ms = 0;
  ApngDispose dispose = ApngDispose::kNone;
  bool over = false;                    // blended with what is there; else it replaces it
  std::vector<absl::string_view> data;  // of the file: pieces of the compressed pixels
};

struct Apng {
  Grid canvas;
  int loops = 0;  // times it is played; 0: for ever
  std::vector<ApngFrame> frames;
  std::string header;  // IHDR's data
  std::string shared;  // chunks of all frames: palette and transparency
};

// InvalidArgument: no frame is there, or one lies outside the canvas.
absl::StatusOr<Apng> ReadApng(absl::string_view bytes);

// A frame as a PNG of its own, of the size of its place.
std::string ApngFrameFile(const Apng& apng, const ApngFrame& frame);

}  // namespace hiif

#endif  // IMAGING_CONTAINER_APNG_H_
