#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "imaging/codecs/encoder.h"
#include "imaging/iptc.h"

// After <cstdio>, which it needs and does not include.
#include <jpeglib.h>

namespace hiif {
namespace {

constexpr int kDefaultQuality = 95;
constexpr size_t kMarkerBytes = 65533;  // at most, of a marker's data
constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr int kPhotoshopMarker = JPEG_APP0 + 13;

class JpegEncoder : public FileEncoder {
 public:
  JpegEncoder(const StoredImage& image, ByteSink* sink)
      : image_(image), sink_(sink), buffer_(size_t{1} << 16) {
    const Metadata& m = image_.metadata;
    AddMarker("EXIF data", kExifMarker, absl::string_view("Exif\0\0", 6), m.exif);
    AddMarker("XMP", kExifMarker, absl::string_view("http://ns.adobe.com/xap/1.0/\0", 29), m.xmp);
    AddMarker("IPTC data", kPhotoshopMarker, "",
              m.iptc.empty() ? std::string() : PhotoshopBlock(m.iptc));
    AddMarker("the comment", JPEG_COM, "", m.comment);
  }

  ~JpegEncoder() override {
    if (started_) jpeg_destroy_compress(&jpeg_);
  }

  // libjpeg reports errors by a jump; between setjmp and the last call of it nothing is made that
  // would have to be destroyed.
  absl::Status Start() {
    jpeg_.err = jpeg_std_error(&error_);
    error_.error_exit = OnError;
    error_.output_message = [](j_common_ptr) {};
    jpeg_.client_data = this;
    if (setjmp(jump_) != 0) return Failure();
    jpeg_create_compress(&jpeg_);
    started_ = true;
    destination_.init_destination = OnInit;
    destination_.empty_output_buffer = OnFull;
    destination_.term_destination = OnEnd;
    jpeg_.dest = &destination_;
    jpeg_.image_width = static_cast<JDIMENSION>(image_.size.width);
    jpeg_.image_height = static_cast<JDIMENSION>(image_.size.height);
    jpeg_.input_components = image_.channels;
    jpeg_.in_color_space = image_.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&jpeg_);
    jpeg_set_quality(&jpeg_, image_.quality == 0 ? kDefaultQuality : image_.quality, TRUE);
    for (int c = 0; c < jpeg_.num_components; ++c)  // 4:4:4
      jpeg_.comp_info[c].h_samp_factor = jpeg_.comp_info[c].v_samp_factor = 1;
    const Metadata& m = image_.metadata;
    if (m.ppi_x >= 1 && m.ppi_y >= 1 && m.ppi_x < 65535 && m.ppi_y < 65535) {
      jpeg_.density_unit = 1;  // inches
      jpeg_.X_density = static_cast<UINT16>(std::lround(m.ppi_x));
      jpeg_.Y_density = static_cast<UINT16>(std::lround(m.ppi_y));
    }
    jpeg_start_compress(&jpeg_, TRUE);
    for (const auto& [marker, data] : markers_)
      jpeg_write_marker(&jpeg_, marker, reinterpret_cast<const JOCTET*>(data.data()),
                        static_cast<unsigned>(data.size()));
    if (!m.icc.empty())
      jpeg_write_icc_profile(&jpeg_, reinterpret_cast<const JOCTET*>(m.icc.data()),
                             static_cast<unsigned>(m.icc.size()));
    return absl::OkStatus();
  }

  absl::Status WriteRows(const uint8_t* rows, int64_t count) override {
    if (setjmp(jump_) != 0) return Failure();
    for (int64_t i = 0; i < count; ++i) {
      JSAMPROW row = const_cast<JSAMPROW>(rows + i * image_.row_bytes());
      jpeg_write_scanlines(&jpeg_, &row, 1);
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    if (setjmp(jump_) != 0) return Failure();
    jpeg_finish_compress(&jpeg_);
    return absl::OkStatus();
  }

 private:
  void AddMarker(absl::string_view what, int marker, absl::string_view heading,
                 const std::string& data) {
    if (data.empty()) return;
    if (heading.size() + data.size() > kMarkerBytes)
      warnings_.push_back(absl::StrCat("JPEG: ", what, " of ", data.size(),
                                       " bytes do not fit (64 KiB) and are left out"));
    else
      markers_.emplace_back(marker, absl::StrCat(heading, data));
  }

  absl::Status Failure() {
    if (!sink_status_.ok()) return sink_status_;
    char message[JMSG_LENGTH_MAX];
    (*error_.format_message)(reinterpret_cast<j_common_ptr>(&jpeg_), message);
    return absl::InternalError(absl::StrCat("JPEG: ", message));
  }

  static JpegEncoder* Self(void* jpeg) {
    return static_cast<JpegEncoder*>(static_cast<j_common_ptr>(jpeg)->client_data);
  }

  static void OnError(j_common_ptr jpeg) { std::longjmp(Self(jpeg)->jump_, 1); }

  static void OnInit(j_compress_ptr jpeg) {
    JpegEncoder* self = Self(jpeg);
    jpeg->dest->next_output_byte = self->buffer_.data();
    jpeg->dest->free_in_buffer = self->buffer_.size();
  }

  static boolean OnFull(j_compress_ptr jpeg) {
    JpegEncoder* self = Self(jpeg);
    self->Append(self->buffer_.size());
    OnInit(jpeg);
    return TRUE;
  }

  static void OnEnd(j_compress_ptr jpeg) {
    JpegEncoder* self = Self(jpeg);
    self->Append(self->buffer_.size() - jpeg->dest->free_in_buffer);
  }

  void Append(size_t bytes) {
    sink_status_ = sink_->Append({reinterpret_cast<const char*>(buffer_.data()), bytes});
    if (!sink_status_.ok()) std::longjmp(jump_, 1);
  }

  StoredImage image_;
  ByteSink* sink_;
  std::vector<std::pair<int, std::string>> markers_;
  std::vector<JOCTET> buffer_;
  absl::Status sink_status_;
  bool started_ = false;
  jpeg_compress_struct jpeg_ = {};
  jpeg_error_mgr error_ = {};
  jpeg_destination_mgr destination_ = {};
  std::jmp_buf jump_;
};

}  // namespace

EncoderOr NewJpegEncoder(const StoredImage& image, ByteSink* sink) {
  auto encoder = std::make_unique<JpegEncoder>(image, sink);
  const absl::Status status = encoder->Start();
  if (!status.ok()) return status;
  return encoder;
}

}  // namespace hiif
