#include <cstring>
#include <vips/vips8>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "imaging/codecs/encoder.h"
#include "imaging/exif.h"
#include "imaging/library.h"

namespace hiif {
namespace {

using vips::VImage;

constexpr int kAvifQuality = 80;

// Called by libvips with the file's bytes.
struct Output {
  ByteSink* sink;
  absl::Status status;
};

gint64 OnWrite(VipsTargetCustom*, const void* data, gint64 size, gpointer to) {
  auto* output = static_cast<Output*>(to);
  output->status =
      output->sink->Append({static_cast<const char*>(data), static_cast<size_t>(size)});
  return output->status.ok() ? size : -1;
}

// Holds the image: the encoders want all of it.
class VipsEncoder : public FileEncoder {
 public:
  VipsEncoder(const StoredImage& image, ByteSink* sink) : image_(image), sink_(sink) {
    if (!image.metadata.iptc.empty())
      warnings_.push_back(
          absl::StrCat(FormatName(image.format), " holds no IPTC data; they are left out"));
    // libvips 8.14 writes the profile of a JPEG XL, no other metadata.
    if (image.format == ImageFormat::kJxl &&
        (!image.metadata.exif.empty() || !image.metadata.xmp.empty()))
      warnings_.push_back("JPEG XL is written without EXIF and XMP data");
    if (image.format == ImageFormat::kAvif) PrepareExif();
    if (image.format == ImageFormat::kGif) WarnOfGif();
  }
  ~VipsEncoder() override { g_free(pixels_); }

  absl::Status Start() {
    HIIF_RETURN_IF_ERROR(StartLibrary());
    pixels_ = static_cast<uint8_t*>(g_try_malloc(image_.size.height * image_.row_bytes()));
    if (pixels_ == nullptr)
      return absl::ResourceExhaustedError(
          absl::StrCat("no memory for the image that ", FormatName(image_.format), " has to hold"));
    return absl::OkStatus();
  }

  absl::Status WriteRows(const uint8_t* rows, int64_t count) override {
    std::memcpy(pixels_ + next_ * image_.row_bytes(), rows, count * image_.row_bytes());
    next_ += count;
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    Output output = {sink_, absl::OkStatus()};
    try {
      VipsTargetCustom* custom = vips_target_custom_new();
      g_signal_connect(custom, "write", G_CALLBACK(OnWrite), &output);
      const vips::VTarget target(VIPS_TARGET(custom));
      const VImage image = Whole();
      vips::VOption* options = VImage::option()->set("in", image)->set("target", target);
      const Metadata& m = image_.metadata;
      if (image_.format == ImageFormat::kAvif) {
        options->set("compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1)
            ->set("Q", image_.quality == 0 ? kAvifQuality : image_.quality)
            // 10 bits of 4:4:4 end the process in an assertion of libaom (libheif 1.15).
            ->set("bitdepth", 8)
            ->set("subsample_mode", VIPS_FOREIGN_SUBSAMPLE_OFF)
            // Otherwise a block of EXIF is made where there is none.
            ->set("strip", m.icc.empty() && m.exif.empty() && m.xmp.empty());
      } else if (image_.format == ImageFormat::kGif) {
        // Nothing to choose: 256 colours, dithered.
      } else if (image_.quality == 0) {
        options->set("lossless", true);
      } else {
        options->set("Q", image_.quality);
      }
      VImage::call(SaverOperation(image_.format), options);
    } catch (const vips::VError& error) {
      if (!output.status.ok()) return output.status;
      return absl::InternalError(absl::StrCat(FormatName(image_.format), ": ", error.what()));
    }
    return output.status;
  }

 private:
  // EXIF goes through libexif, which copies each entry and reads so many bytes.
  void PrepareExif() {
    constexpr size_t kLibexifReads = 65'535;
    std::string& exif = image_.metadata.exif;
    if (CheckExif(exif).ok()) {
      if (exif.size() > kLibexifReads)
        warnings_.push_back(
            absl::StrCat("AVIF is written with the EXIF data that lie in the first ", kLibexifReads,
                         " of their ", exif.size(), " bytes"));
      return;
    }
    warnings_.emplace_back("the EXIF data describe more than they hold; they are left out");
    exif.clear();
  }

  void WarnOfGif() {
    warnings_.emplace_back(
        "GIF holds 256 colours a frame and no soft edges of transparency; WebP and PNG hold all");
    const Metadata& m = image_.metadata;
    if (!m.icc.empty())
      warnings_.emplace_back("GIF holds no colour profile; it is left out (--srgb converts)");
    if (!m.exif.empty() || !m.xmp.empty())
      warnings_.emplace_back("GIF holds no EXIF and XMP data; they are left out");
  }

  VImage Whole() const {
    const VipsBandFormat format = image_.type == SampleType::kU8    ? VIPS_FORMAT_UCHAR
                                  : image_.type == SampleType::kU16 ? VIPS_FORMAT_USHORT
                                                                    : VIPS_FORMAT_FLOAT;
    const bool wide = image_.type == SampleType::kU16;
    const VipsInterpretation interpretation =
        image_.channels < 3 ? (wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
                            : (wide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
    const Metadata& m = image_.metadata;
    // What libvips makes a resolution of where EXIF has none; 72 is EXIF's own for "unknown".
    constexpr double kMillimetres = 25.4;
    const auto dots = [](double ppi) { return (ppi > 0 ? ppi : 72) / kMillimetres; };
    VImage image =
        VImage::new_from_memory(pixels_, image_.size.height * image_.row_bytes(),
                                static_cast<int>(image_.size.width),
                                static_cast<int>(image_.size.height), image_.channels, format)
            .copy(VImage::option()
                      ->set("interpretation", interpretation)
                      ->set("xres", dots(m.ppi_x))
                      ->set("yres", dots(m.ppi_y)));
    const auto set = [&image](const char* name, const std::string& bytes) {
      if (!bytes.empty())
        vips_image_set_blob_copy(image.get_image(), name, bytes.data(), bytes.size());
    };
    set(VIPS_META_ICC_NAME, m.icc);
    set(VIPS_META_XMP_NAME, m.xmp);
    if (!m.exif.empty()) set(VIPS_META_EXIF_NAME, std::string("Exif\0\0", 6) + m.exif);
    return image;
  }

  StoredImage image_;
  ByteSink* sink_;
  uint8_t* pixels_ = nullptr;
  int64_t next_ = 0;  // row
};

}  // namespace

EncoderOr NewVipsEncoder(const StoredImage& image, ByteSink* sink) {
  auto encoder = std::make_unique<VipsEncoder>(image, sink);
  HIIF_RETURN_IF_ERROR(encoder->Start());
  return encoder;
}

}  // namespace hiif
