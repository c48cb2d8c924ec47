// The codecs behind ImageWriter: rows that already are as the format stores them. Internal to
// imaging.
#ifndef IMAGING_CODECS_ENCODER_H_
#define IMAGING_CODECS_ENCODER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "imaging/sink.h"
#include "imaging/writer.h"

namespace hiif {

// The image as it will lie in the file; `channels` and `type` are the format's, not the caller's.
struct StoredImage {
  ImageFormat format = ImageFormat::kPng;
  Grid size;
  int channels = 3;
  SampleType type = SampleType::kU8;
  Metadata metadata;
  int quality = 0;                  // 0: the default of the format
  std::function<bool()> cancelled;  // as WriterOptions has it
  bool has_alpha() const { return channels == 2 || channels == 4; }
  int64_t row_bytes() const { return size.width * channels * SampleBytes(type); }
};

// Not Encoder: that is a part of the network, and both are linked into the server.
class FileEncoder {
 public:
  virtual ~FileEncoder() = default;
  // Rows in native byte order, top down.
  virtual absl::Status WriteRows(const uint8_t* rows, int64_t count) = 0;
  // After the last row.
  virtual absl::Status Finish() = 0;
  // What of the metadata the format cannot hold, a sentence each.
  const std::vector<std::string>& warnings() const { return warnings_; }

 protected:
  std::vector<std::string> warnings_;
};

using EncoderOr = absl::StatusOr<std::unique_ptr<FileEncoder>>;

// The sink outlives the encoder. Errors of the sink come back as they are.
EncoderOr NewPngEncoder(const StoredImage& image, ByteSink* sink);
EncoderOr NewJpegEncoder(const StoredImage& image, ByteSink* sink);
EncoderOr NewTiffEncoder(const StoredImage& image, ByteSink* sink);
EncoderOr NewWebpEncoder(const StoredImage& image, ByteSink* sink);
EncoderOr NewPpmEncoder(const StoredImage& image, ByteSink* sink);
// AVIF, JPEG XL and GIF, by libvips.
EncoderOr NewVipsEncoder(const StoredImage& image, ByteSink* sink);

}  // namespace hiif

#endif  // IMAGING_CODECS_ENCODER_H_
