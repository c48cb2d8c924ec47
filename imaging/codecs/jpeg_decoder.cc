#include "imaging/codecs/jpeg_decoder.h"

#include <string>

// After jpeglib.h, which it needs.
#include <jerror.h>

namespace hiif {

JpegDecoder::JpegDecoder(const std::vector<absl::string_view>& pieces) : pieces_(pieces) {
  jpeg_.err = jpeg_std_error(&error_);
  error_.error_exit = OnError;
  error_.emit_message = OnMessage;
  jpeg_.client_data = this;
  source_.init_source = [](j_decompress_ptr) {};
  source_.fill_input_buffer = OnEmpty;
  source_.skip_input_data = OnSkip;
  source_.resync_to_restart = jpeg_resync_to_restart;
  source_.term_source = [](j_decompress_ptr) {};
}

JpegDecoder::~JpegDecoder() { jpeg_destroy_decompress(&jpeg_); }

// libjpeg reports errors by a jump; between setjmp and the last call of it nothing is made that
// would have to be destroyed.
absl::Status JpegDecoder::ReadRows(int64_t count, int64_t row_bytes, uint8_t* out) {
  if (setjmp(jump_) != 0) return Failure();
  if (!started_) Start();
  if (int64_t{jpeg_.output_width} * jpeg_.output_components != row_bytes)
    return absl::InvalidArgumentError("its rows are not as long as its header says");
  for (JSAMPROW row = out; count > 0; --count, row += row_bytes) {
    jpeg_read_scanlines(&jpeg_, &row, 1);
    if (jpeg_.out_color_space != JCS_CMYK) continue;
    // Adobe's programs write inks as what is left of the paper, and others do after them.
    for (int64_t i = 0; i < row_bytes; ++i) row[i] = 255 - row[i];
  }
  return absl::OkStatus();
}

void JpegDecoder::Start() {
  started_ = true;
  jpeg_create_decompress(&jpeg_);
  jpeg_.src = &source_;
  jpeg_read_header(&jpeg_, TRUE);
  jpeg_start_decompress(&jpeg_);
}

absl::Status JpegDecoder::Failure() {
  char message[JMSG_LENGTH_MAX];
  (*error_.format_message)(reinterpret_cast<j_common_ptr>(&jpeg_), message);
  return absl::InvalidArgumentError(message);
}

JpegDecoder* JpegDecoder::Self(void* jpeg) {
  return static_cast<JpegDecoder*>(static_cast<j_common_ptr>(jpeg)->client_data);
}

void JpegDecoder::OnError(j_common_ptr jpeg) { std::longjmp(Self(jpeg)->jump_, 1); }

// Of what libjpeg puts up with, that which costs pixels. Bytes between segments, restarts counted
// otherwise and versions that it does not know cost none.
void JpegDecoder::OnMessage(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  const int code = jpeg->err->msg_code;
  if (code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE)
    OnError(jpeg);
}

boolean JpegDecoder::OnEmpty(j_decompress_ptr jpeg) {
  JpegDecoder* self = Self(jpeg);
  if (self->next_ == self->pieces_.size()) ERREXIT(jpeg, JERR_INPUT_EOF);
  const absl::string_view piece = self->pieces_[self->next_++];
  self->source_.next_input_byte = reinterpret_cast<const JOCTET*>(piece.data());
  self->source_.bytes_in_buffer = piece.size();
  return TRUE;
}

void JpegDecoder::OnSkip(j_decompress_ptr jpeg, long count) {
  jpeg_source_mgr& source = *jpeg->src;
  auto left = static_cast<size_t>(count > 0 ? count : 0);
  while (left > source.bytes_in_buffer) {
    left -= source.bytes_in_buffer;
    OnEmpty(jpeg);
  }
  source.next_input_byte += left;
  source.bytes_in_buffer -= left;
}

}  // namespace hiif
