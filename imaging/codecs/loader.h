// A file opened by libvips: its layout, and its rows from top to bottom. Internal to imaging.
#ifndef IMAGING_CODECS_LOADER_H_
#define IMAGING_CODECS_LOADER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "imaging/colour.h"
#include "imaging/container/container.h"
#include "imaging/probe.h"

namespace hiif {

class ApngComposer;
class JpegDecoder;
class PieceSource;

// Frames of an animation that libvips composes.
struct FrameRange {
  int first = 0;
  int count = 1;
};

class Loader {
 public:
  // Reads the header; rows can be read with Purpose::kPixels alone. Errors as Probe()'s, and what
  // had to be read of the pixels. The bytes must outlive the loader. roll: rows are those
  // of all these frames, one below the other; info().stored is the size of one.
  static absl::StatusOr<std::unique_ptr<Loader>> Open(
      absl::string_view bytes, const ImageLimits& limits, Purpose purpose, std::optional<int> frame,
      std::optional<FrameRange> roll = std::nullopt);
  ~Loader();

  const ImageInfo& info() const { return info_; }
  // Of the rows: grey, RGB or CMYK, interleaved, in info().type, alpha last where
  // info().has_alpha().
  ColourSpace space() const { return space_; }
  int64_t row_bytes() const;

  // Rows y to y + count - 1, as stored (no orientation applied). Each call goes on where the last
  // one ended. InvalidArgument where the data are damaged.
  absl::Status ReadRows(int64_t y, int64_t count, uint8_t* out);

 private:
  class Image;
  Loader();

  ImageInfo info_;
  ColourSpace space_ = ColourSpace::kRgb;
  std::deque<std::string> made_;  // parts of the source
  std::unique_ptr<PieceSource> source_;
  std::unique_ptr<Image> image_;       // reads the source
  std::unique_ptr<JpegDecoder> jpeg_;  // reads it in its place
  // A frame of an APNG, composed once it is read.
  std::unique_ptr<ApngComposer> composer_;
  int frame_ = 0;
};

// The CMYK profile that comes with libvips, for files that have none.
std::string BuiltInCmykProfile();

}  // namespace hiif

#endif  // IMAGING_CODECS_LOADER_H_
