// From rows of samples to the bytes of a file, as the rows arrive.
#ifndef IMAGING_WRITER_H_
#define IMAGING_WRITER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/image.h"
#include "imaging/format.h"
#include "imaging/metadata.h"
#include "imaging/sink.h"

namespace hiif {

struct WriterOptions {
  ImageFormat format = ImageFormat::kPng;
  Grid size;
  int channels = 3;                   // of the rows given: 1 grey, 2 grey+alpha, 3 RGB, 4 RGB+alpha
  SampleType type = SampleType::kU8;  // of the rows given; see StoredType()
  Metadata metadata;                  // as it is to be written, see OutputMetadata()
  // 1 to 100; 0: JPEG 95 (4:4:4 at every quality), WebP lossless, AVIF 80, JPEG XL lossless.
  int quality = 0;
  // Asked between rows, and by WebP while it encodes the image it holds; true: it is given up with
  // Cancelled. Empty: never.
  std::function<bool()> cancelled;
};

// PNG, JPEG, TIFF and PPM hold a few rows, whatever the size; WebP, AVIF, JPEG XL and GIF hold the
// image, because their encoders do. Where the format has no alpha, the picture is laid on white.
// Not thread-safe. Destroyed before Finish(), it leaves an incomplete file in the sink.
class ImageWriter {
 public:
  // Errors: CheckWritable() of format.h, InvalidArgument for a quality out of range. The sink must
  // outlive the writer.
  static absl::StatusOr<std::unique_ptr<ImageWriter>> Create(const WriterOptions& options,
                                                             ByteSink* sink);
  virtual ~ImageWriter() = default;

  // Whole rows, top down: interleaved, native byte order, straight alpha, aligned as their samples.
  // Errors of the sink come back as they are.
  virtual absl::Status WriteRows(absl::string_view rows) = 0;
  // After the last row.
  virtual absl::Status Finish() = 0;
  // What of the metadata the format cannot hold, a sentence each. Complete after Create().
  virtual const std::vector<std::string>& warnings() const = 0;
};

// Memory a writer takes, in bytes, about.
int64_t WriterBytes(ImageFormat format, Grid size, int channels, SampleType type);

// Puts tiles together to rows for a writer: holds one row of tiles.
class TileAssembler {
 public:
  // region: what the tiles cover, in output pixels; pixel_bytes: channels * SampleBytes(type).
  TileAssembler(Region region, int64_t pixel_bytes, ImageWriter* writer);

  // Tiles in raster order of rows of tiles, all of a row equally high. InvalidArgument for any
  // other.
  absl::Status AddTile(Region tile, absl::string_view samples);
  // Whether every pixel has come.
  bool complete() const { return next_y_ == region_.y + region_.height; }

 private:
  Region region_;
  int64_t pixel_bytes_;
  ImageWriter* writer_;
  int64_t next_x_;
  int64_t next_y_;
  std::string band_;
};

}  // namespace hiif

#endif  // IMAGING_WRITER_H_
