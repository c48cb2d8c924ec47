#include <png.h>

#include <cmath>
#include <csetjmp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "imaging/codecs/encoder.h"
#include "imaging/iptc.h"

namespace hiif {
namespace {

// ImageMagick's convention, which others read too: the block in hexadecimal in a text chunk.
std::string RawProfile(absl::string_view name, const std::string& block) {
  std::string out = absl::StrFormat("\n%s\n%8d\n", name, block.size());
  const std::string digits = absl::BytesToHexString(block);
  for (size_t i = 0; i < digits.size(); i += 72) absl::StrAppend(&out, digits.substr(i, 72), "\n");
  return out;
}

class PngEncoder : public FileEncoder {
 public:
  PngEncoder(const StoredImage& image, ByteSink* sink) : image_(image), sink_(sink) {
    if (!image_.metadata.comment.empty()) comment_ = image_.metadata.comment;
    if (!image_.metadata.iptc.empty())
      iptc_ = RawProfile("iptc", PhotoshopBlock(image_.metadata.iptc).substr(kPhotoshopHeading));
  }

  ~PngEncoder() override { png_destroy_write_struct(&png_, &info_); }

  // libpng reports errors by a jump; between setjmp and the last call of it nothing is made that
  // would have to be destroyed.
  absl::Status Start() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, OnError, OnWarning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) return absl::ResourceExhaustedError("no memory for a PNG encoder");
    if (setjmp(png_jmpbuf(png_)) != 0) return Failure();
    png_set_write_fn(png_, this, OnWrite, nullptr);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    // That a profile is one of the well-known ones of sRGB is nothing to warn of.
    png_set_option(png_, PNG_SKIP_sRGB_CHECK_PROFILE, PNG_OPTION_ON);
    png_set_compression_level(png_, kLevel);
    png_set_compression_buffer_size(png_, kBufferBytes);
    constexpr int kColourTypes[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                    PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    const int bits = 8 * SampleBytes(image_.type);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(image_.size.width),
                 static_cast<png_uint_32>(image_.size.height), bits,
                 kColourTypes[image_.channels - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    SetMetadata();
    png_write_info(png_, info_);
    for (const PngText& text : image_.metadata.png_texts)  // as they were
      png_write_chunk(png_, reinterpret_cast<png_const_bytep>(text.type.data()),
                      reinterpret_cast<png_const_bytep>(text.data.data()), text.data.size());
    if (bits == 16) png_set_swap(png_);  // network byte order
    return absl::OkStatus();
  }

  absl::Status WriteRows(const uint8_t* rows, int64_t count) override {
    if (setjmp(png_jmpbuf(png_)) != 0) return Failure();
    for (int64_t i = 0; i < count; ++i) png_write_row(png_, rows + i * image_.row_bytes());
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    if (setjmp(png_jmpbuf(png_)) != 0) return Failure();
    png_write_end(png_, nullptr);
    return absl::OkStatus();
  }

 private:
  // Enlargements are smooth; more effort makes them hardly smaller, but takes several times as
  // long.
  static constexpr int kLevel = 4;
  static constexpr size_t kBufferBytes = size_t{1} << 16;
  static constexpr size_t kPhotoshopHeading = 14;

  void SetMetadata() {
    const Metadata& m = image_.metadata;
    // A profile that libpng finds fault with is dropped, by way of a warning.
    png_set_benign_errors(png_, 1);
    if (!m.icc.empty())
      png_set_iCCP(png_, info_, "ICC profile", PNG_COMPRESSION_TYPE_BASE,
                   reinterpret_cast<png_const_bytep>(m.icc.data()),
                   static_cast<png_uint_32>(m.icc.size()));
    constexpr double kMetre = 0.0254;
    constexpr double kMost = kMetre * PNG_UINT_31_MAX;
    if (m.ppi_x > 0 && m.ppi_y > 0 && m.ppi_x < kMost && m.ppi_y < kMost) {
      png_set_pHYs(png_, info_, static_cast<png_uint_32>(std::lround(m.ppi_x / kMetre)),
                   static_cast<png_uint_32>(std::lround(m.ppi_y / kMetre)), PNG_RESOLUTION_METER);
    }
    if (!m.exif.empty())
      png_set_eXIf_1(png_, info_, static_cast<png_uint_32>(m.exif.size()),
                     reinterpret_cast<png_bytep>(image_.metadata.exif.data()));
    if (!m.xmp.empty())
      SetText("XML:com.adobe.xmp", &image_.metadata.xmp, PNG_ITXT_COMPRESSION_NONE);
    if (!comment_.empty()) SetText("Comment", &comment_, PNG_TEXT_COMPRESSION_NONE);
    if (!iptc_.empty()) SetText("Raw profile type iptc", &iptc_, PNG_TEXT_COMPRESSION_zTXt);
  }

  void SetText(const char* key, std::string* text, int compression) {
    png_text chunk = {};
    chunk.compression = compression;
    chunk.key = const_cast<char*>(key);
    chunk.text = text->data();
    if (compression == PNG_ITXT_COMPRESSION_NONE)
      chunk.itxt_length = text->size();
    else
      chunk.text_length = text->size();
    png_set_text(png_, info_, &chunk, 1);
  }

  absl::Status Failure() {
    return sink_status_.ok() ? absl::InternalError(absl::StrCat("PNG: ", message_)) : sink_status_;
  }

  static void OnError(png_structp png, png_const_charp message) {
    static_cast<PngEncoder*>(png_get_error_ptr(png))->message_ = message;
    png_longjmp(png, 1);
  }

  static void OnWarning(png_structp png, png_const_charp message) {
    static_cast<PngEncoder*>(png_get_error_ptr(png))
        ->warnings_.push_back(absl::StrCat("PNG: ", message));
  }

  static void OnWrite(png_structp png, png_bytep data, size_t size) {
    auto* self = static_cast<PngEncoder*>(png_get_io_ptr(png));
    self->sink_status_ = self->sink_->Append({reinterpret_cast<const char*>(data), size});
    if (!self->sink_status_.ok()) png_error(png, "cannot write");
  }

  StoredImage image_;
  ByteSink* sink_;
  std::string iptc_;
  std::string comment_;
  std::string message_;
  absl::Status sink_status_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

EncoderOr NewPngEncoder(const StoredImage& image, ByteSink* sink) {
  auto encoder = std::make_unique<PngEncoder>(image, sink);
  const absl::Status status = encoder->Start();
  if (!status.ok()) return status;
  return encoder;
}

}  // namespace hiif
