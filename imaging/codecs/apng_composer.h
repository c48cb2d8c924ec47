// The frames of an animated PNG on their canvas: libpng knows the first picture alone. Internal to
// imaging.
#ifndef IMAGING_CODECS_APNG_COMPOSER_H_
#define IMAGING_CODECS_APNG_COMPOSER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "imaging/container/apng.h"
#include "imaging/probe.h"

namespace hiif {

// Not thread-safe.
class ApngComposer {
 public:
  // info: of the file, as its header has it. The bytes must outlive the composer. InvalidArgument
  // where the frames that it says it has are not there.
  static absl::StatusOr<std::unique_ptr<ApngComposer>> Create(absl::string_view bytes,
                                                              const ImageLimits& limits,
                                                              const ImageInfo& info);

  const Apng& apng() const { return apng_; }
  // Of the canvas: one more than the file's where the background is seen.
  int channels() const { return channels_; }
  // Rows, interleaved, in the type of the file.
  const std::string& canvas() const { return canvas_; }

  // Puts the next frame on the canvas; there must be one.
  absl::Status Next();

  // InvalidArgument where Show() would take too long.
  absl::Status CheckShow(int frame) const;
  // The canvas as it is with this frame, in place of Next().
  absl::Status Show(int frame);

 private:
  ApngComposer(Apng apng, const ImageLimits& limits, const ImageInfo& info);
  bool ShowsBackground() const;
  bool CoversAll(const ApngFrame& frame) const;
  // Calls draw and clear, both of a frame, for what the canvas with this frame is made of.
  template <typename Draw, typename Clear>
  absl::Status ForPartsOf(int frame, Draw draw, Clear clear) const;
  absl::Status Draw(int frame);
  char* At(int64_t x, int64_t y);
  int64_t pixel_bytes() const { return channels_ * SampleBytes(type_); }
  bool has_alpha() const { return channels_ % 2 == 0; }
  void Clear(const Region& place);
  template <typename T>
  void DrawRow(const T* in, const ApngFrame& frame, int64_t row);

  const Apng apng_;
  const ImageLimits limits_;
  const SampleType type_;
  const int frame_channels_;
  const int channels_;
  std::string canvas_;
  std::string before_;  // the canvas without the frame on it, where that goes again
  int next_ = 0;
};

}  // namespace hiif

#endif  // IMAGING_CODECS_APNG_COMPOSER_H_
