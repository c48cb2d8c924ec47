#include "imaging/loader.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vips/vips8>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/exif.h"
#include "imaging/iptc.h"
#include "imaging/library.h"
#include "imaging/tiff_directory.h"

namespace hiif {

class Loader::Image {
 public:
  explicit Image(vips::VImage opened) : image(std::move(opened)) {}
  vips::VImage image;
  std::optional<vips::VRegion> region;
};

namespace {

using vips::VImage;

// libvips collects messages, a line each, of all threads in one buffer, those of attempts that went
// well in the end too, and drops new ones when it is full: the last line is of this failure, and
// the rest of it would only be taken for the next one's.
std::string Reason(const vips::VError& error) {
  const std::string message = error.what();
  vips_error_clear();
  const absl::string_view text = absl::StripAsciiWhitespace(message);
  const size_t newline = text.rfind('\n');
  const absl::string_view line =
      newline == absl::string_view::npos ? text : text.substr(newline + 1);
  return std::string(absl::StripAsciiWhitespace(line.substr(0, 200)));
}

absl::Status Damaged(ImageFormat format, const vips::VError& error) {
  const std::string reason = Reason(error);
  return absl::InvalidArgumentError(
      absl::StrCat("the ", FormatName(format), " data are damaged or truncated",
                   reason.empty() ? "" : absl::StrCat(" (", reason, ")")));
}

std::string Blob(const VImage& image, const char* name) {
  if (image.get_typeof(name) == 0) return {};
  size_t size = 0;
  const void* data = image.get_blob(name, &size);
  return std::string(static_cast<const char*>(data), size);
}

int Integer(const VImage& image, const char* name, int missing) {
  return image.get_typeof(name) == 0 ? missing : image.get_int(name);
}

// libvips gives a resolution to everything. Where it is the file's own there is a unit; a PNG has
// none but gets a default that no whole number of pixels an inch makes.
bool SaysResolution(const VImage& image, ImageFormat format) {
  constexpr double kPngDefault = 2.834;
  return format == ImageFormat::kPng ? image.xres() != kPngDefault
                                     : image.get_typeof(VIPS_META_RESOLUTION_UNIT) != 0;
}

Metadata ReadMetadata(const VImage& image, ImageFormat format) {
  Metadata m;
  m.icc = Blob(image, VIPS_META_ICC_NAME);
  m.exif = Blob(image, VIPS_META_EXIF_NAME);
  constexpr absl::string_view kPrefix("Exif\0\0", 6);
  if (absl::string_view(m.exif).substr(0, kPrefix.size()) == kPrefix)
    m.exif.erase(0, kPrefix.size());
  m.xmp = Blob(image, VIPS_META_XMP_NAME);
  m.iptc = IptcRecords(Blob(image, VIPS_META_IPTC_NAME));
  if (SaysResolution(image, format)) {
    constexpr double kMillimetres = 25.4;
    m.ppi_x = image.xres() * kMillimetres;
    m.ppi_y = image.yres() * kMillimetres;
  }
  return m;
}

// A progressive JPEG of thousands of scans costs that many passes over all its pixels.
absl::Status CheckScans(absl::string_view bytes) {
  constexpr int kMaxScans = 100;
  int scans = 0;
  for (size_t i = bytes.find("\xff\xda"); i != absl::string_view::npos;
       i = bytes.find("\xff\xda", i + 2))
    if (++scans > kMaxScans)
      return absl::InvalidArgumentError(
          absl::StrFormat("a JPEG of more than %d scans is refused", kMaxScans));
  return absl::OkStatus();
}

// libvips reads a width that is no number as 0, and then takes the picture for one pixel wide.
absl::Status CheckPpmSize(absl::string_view bytes) {
  size_t at = 2;  // behind "P6"
  for (int i = 0; i < 2; ++i) {
    while (at < bytes.size() && (absl::ascii_isspace(bytes[at]) || bytes[at] == '#'))
      at = bytes[at] == '#' ? std::min(bytes.find('\n', at), bytes.size()) : at + 1;
    const size_t begin = at;
    while (at < bytes.size() && absl::ascii_isdigit(bytes[at])) ++at;
    int side = 0;
    if (!absl::SimpleAtoi(bytes.substr(begin, at - begin), &side) || side < 1)
      return absl::InvalidArgumentError(
          "the PPM data are damaged or truncated (width and height are no numbers above 0)");
  }
  return absl::OkStatus();
}

absl::Status CheckPixels(Grid size, const ImageLimits& limits) {
  if (size.width <= limits.max_pixels / size.height) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("the image has %d x %d pixels; at most %.6g megapixels are allowed",
                      size.width, size.height, static_cast<double>(limits.max_pixels) / 1e6));
}

// Whatever the file has: samples to one of ours, colours to grey, RGB or CMYK.
absl::StatusOr<VImage> Simplify(VImage image, ImageFormat format) {
  switch (image.interpretation()) {
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_LABQ:
    case VIPS_INTERPRETATION_XYZ:
    case VIPS_INTERPRETATION_LCH:
      image = image.colourspace(image.format() == VIPS_FORMAT_UCHAR ? VIPS_INTERPRETATION_sRGB
                                                                    : VIPS_INTERPRETATION_RGB16);
      break;
    default:
      break;
  }
  switch (image.format()) {
    case VIPS_FORMAT_UCHAR:
    case VIPS_FORMAT_USHORT:
    case VIPS_FORMAT_FLOAT:
      return image;
    case VIPS_FORMAT_DOUBLE:
      return image.cast(VIPS_FORMAT_FLOAT);
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "a ", FormatName(format), " of ", vips_enum_nick(VIPS_TYPE_BAND_FORMAT, image.format()),
          " samples is not supported; unsigned 8 and 16 bits and float are"));
  }
}

SampleType TypeOf(const VImage& image) {
  return image.format() == VIPS_FORMAT_UCHAR    ? SampleType::kU8
         : image.format() == VIPS_FORMAT_USHORT ? SampleType::kU16
                                                : SampleType::kF32;
}

}  // namespace

Loader::Loader() = default;
Loader::~Loader() = default;

absl::StatusOr<std::unique_ptr<Loader>> Loader::Open(absl::string_view bytes,
                                                     const ImageLimits& limits,
                                                     std::optional<int> frame) {
  if (bytes.empty()) return absl::InvalidArgumentError("the image is empty (0 bytes)");
  HIIF_RETURN_IF_ERROR(StartLibrary());
  const std::optional<ImageFormat> format = SniffFormat(bytes);
  if (!format.has_value())
    return absl::InvalidArgumentError(
        absl::StrCat("not an image of a known format; allowed are ", ReadableFormats()));
  if (!CanRead(*format))
    return absl::UnimplementedError(absl::StrCat(
        FormatName(*format), " cannot be read by this build; it reads ", ReadableFormats()));
  if (*format == ImageFormat::kJpeg) HIIF_RETURN_IF_ERROR(CheckScans(bytes));
  if (*format == ImageFormat::kPpm) HIIF_RETURN_IF_ERROR(CheckPpmSize(bytes));

  auto loader = std::unique_ptr<Loader>(new Loader);
  ImageInfo& info = loader->info_;
  info.format = *format;
  try {
    // By name, not by what libvips makes of the bytes: what they are has been seen.
    const auto open = [&](std::optional<int> page) {
      VImage out;
      vips::VOption* options =
          VImage::option()
              ->set("out", &out)
              ->set("source", vips::VSource::new_from_memory(bytes.data(), bytes.size()))
              ->set("access", VIPS_ACCESS_SEQUENTIAL)
              ->set("fail_on", VIPS_FAIL_ON_ERROR);
      if (page.has_value()) options->set("page", *page);
      VImage::call(LoaderOperation(*format), options);
      return out;
    };
    VImage image = open(std::nullopt);
    info.frames = std::max(1, Integer(image, VIPS_META_N_PAGES, 1));
    if (frame.has_value()) {
      if (*frame < 0 || *frame >= info.frames)
        return absl::InvalidArgumentError(absl::StrFormat(
            "frame %d is not there; the file has frames 0 to %d", *frame, info.frames - 1));
      if (info.frames > 1) image = open(*frame);
    }
    info.stored = {image.height(), image.width()};
    HIIF_RETURN_IF_ERROR(CheckPixels(info.stored, limits));
    info.palette = image.get_typeof("palette-bit-depth") != 0;
    info.metadata = ReadMetadata(image, *format);
    // A TIFF has no block of EXIF, it has the directories themselves.
    if (*format == ImageFormat::kTiff) info.metadata.exif = JoinExif(SplitExif(bytes));
    // libvips knows what each container says of the orientation, but does not look into a PNG's
    // EXIF.
    info.orientation = *format == ImageFormat::kPng ? ExifOrientation(info.metadata.exif)
                                                    : Integer(image, VIPS_META_ORIENTATION, 1);
    if (info.orientation < 1 || info.orientation > 8) info.orientation = 1;
    info.size = info.orientation < 5 ? info.stored : Grid{info.stored.width, info.stored.height};
    HIIF_ASSIGN_OR_RETURN(image, Simplify(std::move(image), *format));
    info.type = TypeOf(image);
    info.cmyk = image.interpretation() == VIPS_INTERPRETATION_CMYK;
    const int bands = image.bands();
    if (info.cmyk ? (bands != 4 && bands != 5) : (bands < 1 || bands > 4))
      return absl::InvalidArgumentError(absl::StrFormat(
          "a %s of %d channels is not supported; grey, RGB and CMYK are, with alpha or without",
          FormatName(*format), bands));
    if (info.cmyk && info.type == SampleType::kF32)
      return absl::InvalidArgumentError(
          "CMYK of float samples is not supported; 8 and 16 bits are");
    info.channels = info.cmyk ? bands - 1 : bands;
    loader->space_ = info.cmyk   ? ColourSpace::kCmyk
                     : bands < 3 ? ColourSpace::kGrey
                                 : ColourSpace::kRgb;
    loader->image_ = std::make_unique<Image>(std::move(image));
  } catch (const vips::VError& error) {
    return Damaged(*format, error);
  }
  return loader;
}

int64_t Loader::row_bytes() const {
  const int bands = info_.channels + (info_.cmyk ? 1 : 0);
  return info_.stored.width * bands * SampleBytes(info_.type);
}

absl::Status Loader::ReadRows(int64_t y, int64_t count, uint8_t* out) {
  try {
    // Prepared by the caller's own thread: a decoding never takes more than it was given.
    if (!image_->region.has_value()) image_->region = vips::VRegion::new_from_image(image_->image);
    vips::VRegion& region = *image_->region;
    region.prepare(0, static_cast<int>(y), static_cast<int>(info_.stored.width),
                   static_cast<int>(count));
    const int64_t bytes = row_bytes();
    for (int64_t row = 0; row < count; ++row)
      std::memcpy(out + row * bytes, region.addr(0, static_cast<int>(y + row)), bytes);
    return absl::OkStatus();
  } catch (const vips::VError& error) {
    return Damaged(info_.format, error);
  }
}

std::string BuiltInCmykProfile() {
  VipsBlob* blob = nullptr;
  if (vips_profile_load("cmyk", &blob, nullptr) != 0 || blob == nullptr) return {};
  size_t size = 0;
  const void* data = vips_blob_get(blob, &size);
  std::string profile(static_cast<const char*>(data), size);
  vips_area_unref(reinterpret_cast<VipsArea*>(blob));
  return profile;
}

}  // namespace hiif
