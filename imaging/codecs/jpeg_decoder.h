// The rows of a JPEG. libvips decodes them alike, but takes data that are missing before an end
// marker for grey, and does not say so. Internal to imaging.
#ifndef IMAGING_CODECS_JPEG_DECODER_H_
#define IMAGING_CODECS_JPEG_DECODER_H_

#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

// After <cstdio>, which it needs and does not include.
#include <jpeglib.h>

namespace hiif {

class JpegDecoder {
 public:
  // Of a file in pieces, which must outlive the decoder. Reads nothing yet.
  explicit JpegDecoder(const std::vector<absl::string_view>& pieces);
  ~JpegDecoder();
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  // The next `count` rows, of so many bytes each: grey, RGB, or CMYK of which 255 is all of an ink.
  // InvalidArgument, in libjpeg's words, where their data are damaged or missing; not to be called
  // again then.
  absl::Status ReadRows(int64_t count, int64_t row_bytes, uint8_t* out);

 private:
  void Start();
  absl::Status Failure();

  static JpegDecoder* Self(void* jpeg);
  static void OnError(j_common_ptr jpeg);
  static void OnMessage(j_common_ptr jpeg, int level);
  static boolean OnEmpty(j_decompress_ptr jpeg);
  static void OnSkip(j_decompress_ptr jpeg, long count);

  const std::vector<absl::string_view>& pieces_;
  size_t next_ = 0;  // of them
  bool started_ = false;
  jpeg_decompress_struct jpeg_ = {};
  jpeg_error_mgr error_ = {};
  jpeg_source_mgr source_ = {};
  std::jmp_buf jump_;
};

}  // namespace hiif

#endif  // IMAGING_CODECS_JPEG_DECODER_H_
