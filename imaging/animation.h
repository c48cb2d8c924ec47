// Animations: composed frames in, one after the other, and a file of enlarged ones out. What is
// held is a frame or two, however many there are.
#ifndef IMAGING_ANIMATION_H_
#define IMAGING_ANIMATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "imaging/probe.h"
#include "imaging/sink.h"

namespace hiif {

// Whether files of the format can be animations that are read and written here: GIF, WebP, PNG.
bool HoldsAnimations(ImageFormat format);

struct AnimationFrame {
  // The whole canvas as it is shown, disposal and blending done: rows of the stored size (no
  // orientation applied), interleaved, in the channels and type of AnimationReader::info().
  std::string samples;
  int duration_ms = 0;  // as the file says; 0: as fast as it can be shown
};

// The frames of a GIF, WebP or APNG in order. Not thread-safe.
class AnimationReader {
 public:
  // The bytes must outlive the reader. InvalidArgument: as Probe(); no animation; a canvas above
  // the limit.
  static absl::StatusOr<std::unique_ptr<AnimationReader>> Open(absl::string_view bytes,
                                                               const ImageLimits& limits = {});
  virtual ~AnimationReader() = default;

  // Of the frames: size, channels, type, and how many there are.
  const ImageInfo& info() const { return info_; }
  // How often it is played in all; 0: for ever.
  int loops() const { return loops_; }
  // nullopt behind the last one. InvalidArgument where the data are damaged.
  virtual absl::StatusOr<std::optional<AnimationFrame>> Next() = 0;

 protected:
  ImageInfo info_;
  int loops_ = 0;
};

struct AnimationOptions {
  ImageFormat format = ImageFormat::kWebp;
  Grid size;
  bool alpha = false;
  int frames = 0;
  int loops = 0;  // times it is played in all; 0: for ever
};

// Puts still pictures, each a file of the format and of the whole canvas, together to an animation.
// Metadata are those of the first still. Durations are kept to what the format can say: WebP and
// PNG milliseconds, GIF hundredths of a second, rounded so that their sum stays. Not thread-safe.
class AnimationWriter {
 public:
  // InvalidArgument: a format that holds none, or none of the size.
  static absl::Status Check(const AnimationOptions& options);
  // Check()'s errors. The sink must outlive the writer; where it cannot go back, a WebP is held in
  // memory, because its head says how long it is.
  static absl::StatusOr<std::unique_ptr<AnimationWriter>> Create(const AnimationOptions& options,
                                                                 ByteSink* sink);
  virtual ~AnimationWriter() = default;

  // Errors of the sink come back as they are; InvalidArgument: more than the format can hold.
  virtual absl::Status AddFrame(absl::string_view still, int duration_ms) = 0;
  // After the last frame.
  virtual absl::Status Finish() = 0;
};

}  // namespace hiif

#endif  // IMAGING_ANIMATION_H_
