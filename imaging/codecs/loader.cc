#include "imaging/codecs/loader.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>
#include <vips/vips8>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/codecs/apng_composer.h"
#include "imaging/codecs/jpeg_decoder.h"
#include "imaging/container/piece_source.h"
#include "imaging/iptc.h"
#include "imaging/library.h"

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

// What the decoders say of files that are sound, but not theirs.
bool IsUnsupported(absl::string_view reason) {
  const std::string lower = absl::AsciiStrToLower(reason);
  for (const absl::string_view word :
       {"support", "not implemented", "unimplemented", "not configured", "unknown compression",
        "no decoding plugin", "not built", "unsuitable", "bad colorspace"})
    if (absl::StrContains(lower, word)) return true;
  return false;
}

absl::Status Damaged(ImageFormat format, absl::string_view reason) {
  if (IsUnsupported(reason))
    return absl::InvalidArgumentError(
        absl::StrCat("this kind of ", FormatName(format), " is not supported (", reason, ")"));
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

// Adds what the decoder knows to what has been read of the container.
void AddMetadata(const VImage& image, Metadata* m) {
  if (m->icc.empty()) m->icc = Blob(image, VIPS_META_ICC_NAME);
  if (m->xmp.empty()) m->xmp = Blob(image, VIPS_META_XMP_NAME);
  // Of AVIF and HEIC, libvips takes for XMP what begins with its element; a packet may as well
  // begin with a processing instruction, and do without that element.
  constexpr int kMostItems = 8;
  for (int i = 0; m->xmp.empty() && i < kMostItems; ++i) {
    std::string item = Blob(image, absl::StrCat("heif-mime-", i).c_str());
    const absl::string_view start = absl::string_view(item).substr(0, 1024);
    if (absl::StrContains(start, "<x:xmpmeta") || absl::StrContains(start, "<rdf:RDF"))
      m->xmp = std::move(item);
  }
  if (m->iptc.empty()) m->iptc = IptcRecords(Blob(image, VIPS_META_IPTC_NAME));
  // libvips gives a resolution to everything. Where it is the file's own there is a unit.
  if (m->ppi_x == 0 && image.get_typeof(VIPS_META_RESOLUTION_UNIT) != 0) {
    constexpr double kMillimetres = 25.4;
    m->ppi_x = image.xres() * kMillimetres;
    m->ppi_y = image.yres() * kMillimetres;
  }
}

// Puts a profile in the place of a colour description, where there is none.
void DescribeColour(const ColourDescription& colour, bool grey, ImageInfo* info) {
  // PNG's code points go before its profile (PNG, third edition, 4.3).
  const bool first = info->format == ImageFormat::kPng && colour.code_points.has_value();
  if (colour.empty() || (!info->metadata.icc.empty() && !first)) return;
  DescribedColour described = ProfileOf(colour, grey);
  if (!described.warning.empty())
    info->warnings.push_back(std::move(described.warning));
  else
    info->metadata.icc = std::move(described.icc);
}

absl::Status CheckPixels(Grid size, const ImageLimits& limits) {
  if (size.width <= limits.max_pixels / size.height) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("the image has %d x %d pixels; at most %.6g megapixels are allowed",
                      size.width, size.height, static_cast<double>(limits.max_pixels) / 1e6));
}

// Of Lab or another space of three coordinates. libvips keeps transparency in samples like theirs,
// which may be signed, and takes it for one of them.
VImage ToRgb(const VImage& image) {
  if (image.format() == VIPS_FORMAT_UCHAR) return image.colourspace(VIPS_INTERPRETATION_sRGB);
  constexpr int kColours = 3;
  const VImage rgb = image.extract_band(0, VImage::option()->set("n", kColours))
                         .colourspace(VIPS_INTERPRETATION_RGB16);
  if (image.bands() == kColours) return rgb;
  constexpr double kWhole = 65535;
  const VImage alpha = image.extract_band(kColours);
  return rgb.bandjoin(alpha.format() == VIPS_FORMAT_FLOAT
                          ? alpha.linear(kWhole, 0).rint().cast(VIPS_FORMAT_USHORT)
                          : alpha.copy(VImage::option()->set("format", VIPS_FORMAT_USHORT)));
}

// Whatever the file has: samples to one of ours, colours to grey, RGB or CMYK.
absl::StatusOr<VImage> Simplify(VImage image, ImageFormat format) {
  switch (image.interpretation()) {
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_LABQ:
    case VIPS_INTERPRETATION_XYZ:
    case VIPS_INTERPRETATION_LCH:
      image = ToRgb(image);
      break;
    default:
      break;
  }
  switch (image.format()) {
    case VIPS_FORMAT_UCHAR:
    case VIPS_FORMAT_USHORT:
    case VIPS_FORMAT_FLOAT:
      return image;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "a ", FormatName(format), " of ", vips_enum_nick(VIPS_TYPE_BAND_FORMAT, image.format()),
          " samples is not supported; unsigned 8 and 16 bits and float are"));
  }
}

// The colours with transparency behind them, straight, and nothing else.
VImage Select(const VImage& image, const Planes& planes) {
  VImage colours = image.extract_band(0, VImage::option()->set("n", planes.colours));
  if (planes.ycc) {
    constexpr double kMatrix[] = {1, 0, 1.402, 1, -0.344136, -0.714136, 1, 1.772, 0};
    constexpr double kMiddle = 128;
    const VImage matrix =
        VImage::new_matrixv(3, 3, kMatrix[0], kMatrix[1], kMatrix[2], kMatrix[3], kMatrix[4],
                            kMatrix[5], kMatrix[6], kMatrix[7], kMatrix[8]);
    return colours.linear({1, 1, 1}, {0, -kMiddle, -kMiddle})
        .recomb(matrix)
        .rint()
        .cast(VIPS_FORMAT_UCHAR)
        .copy(VImage::option()->set("interpretation", VIPS_INTERPRETATION_sRGB));
  }
  if (planes.alpha < 0) return colours;
  VImage out = colours.bandjoin(image.extract_band(planes.alpha));
  if (!planes.associated) return out;
  const double most = image.format() == VIPS_FORMAT_UCHAR    ? 255
                      : image.format() == VIPS_FORMAT_USHORT ? 65535
                                                             : 1;
  out = out.unpremultiply(VImage::option()->set("max_alpha", most));
  return image.format() == VIPS_FORMAT_FLOAT ? out : out.rint().cast(image.format());
}

// libvips only shifts samples of 10 and 12 bits up. Here the largest of them is the largest of 16:
// white is white, opaque is opaque.
VImage FullRange(const VImage& image) {
  const int bits = Integer(image, "heif-bitdepth", 0);
  if (image.format() != VIPS_FORMAT_USHORT || bits <= 8 || bits >= 16) return image;
  return image | (image >> bits);
}

std::optional<Planes> PlanesOf(const Container& container, int bands) {
  if (container.planes || (!container.grey && !container.associated && !container.opaque))
    return container.planes;
  const int last = bands == 2 || bands == 4 ? bands - 1 : -1;
  const int alpha = container.opaque ? -1 : last;
  const int colours = container.grey ? 1 : last < 0 ? bands : last;
  return Planes{.colours = colours, .alpha = alpha, .associated = container.associated};
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
                                                     const ImageLimits& limits, Purpose purpose,
                                                     std::optional<int> frame,
                                                     std::optional<FrameRange> roll) {
  if (bytes.empty()) return absl::InvalidArgumentError("the image is empty (0 bytes)");
  HIIF_RETURN_IF_ERROR(StartLibrary());
  const std::optional<ImageFormat> format = SniffFormat(bytes);
  if (!format.has_value())
    return absl::InvalidArgumentError(
        absl::StrCat("not an image of a known format; allowed are ", ReadableFormats()));
  if (!CanRead(*format))
    return absl::UnimplementedError(absl::StrCat(
        FormatName(*format), " cannot be read by this build; it reads ", ReadableFormats()));
  HIIF_ASSIGN_OR_RETURN(Container container, ReadContainer(*format, bytes, limits, frame, purpose));

  auto loader = std::unique_ptr<Loader>(new Loader);
  ImageInfo& info = loader->info_;
  info.format = *format;
  info.warnings = std::move(container.warnings);
  if (container.pieces.empty()) container.pieces.push_back(bytes);
  loader->made_ = std::move(container.made);
  loader->source_ = std::make_unique<PieceSource>(std::move(container.pieces));
  try {
    // By name, not by what libvips makes of the bytes: what they are has been seen.
    const auto open = [&](std::optional<int> page, int count = 1) {
      VImage out;
      vips::VOption* options = VImage::option()
                                   ->set("out", &out)
                                   ->set("source", loader->source_->Open())
                                   ->set("access", VIPS_ACCESS_SEQUENTIAL)
                                   ->set("fail_on", VIPS_FAIL_ON_ERROR);
      if (page.has_value()) options->set("page", *page);
      if (count > 1) options->set("n", count);
      VImage::call(LoaderOperation(*format), options);
      return out;
    };
    // Of a TIFF, only some of its pages are pictures.
    const auto page_of = [&container](int number) {
      return number < std::ssize(container.pages) ? container.pages[number] : number;
    };
    const int first = page_of(0);
    VImage image = roll ? open(roll->first, roll->count)
                        : open(first == 0 ? std::nullopt : std::optional(first));
    info.frames = container.frames.value_or(std::max(1, Integer(image, VIPS_META_N_PAGES, 1)));
    if (frame.has_value()) {
      if (*frame < 0 || *frame >= info.frames)
        return absl::InvalidArgumentError(absl::StrFormat(
            "frame %d is not there; the file has frames 0 to %d", *frame, info.frames - 1));
      // libpng knows no pages. Without one, libheif opens the primary picture, wherever it lies.
      const bool is_heif = *format == ImageFormat::kHeic || *format == ImageFormat::kAvif;
      if (info.frames > 1 && *format != ImageFormat::kPng && (is_heif || page_of(*frame) != first))
        image = open(page_of(*frame));
    }
    info.stored = {roll ? vips_image_get_page_height(image.get_image()) : image.height(),
                   image.width()};
    HIIF_RETURN_IF_ERROR(CheckPixels(info.stored, limits));
    info.palette = image.get_typeof("palette-bit-depth") != 0;
    info.metadata = std::move(container.metadata);
    AddMetadata(image, &info.metadata);
    if (container.xmp && info.metadata.xmp.empty())
      info.warnings.emplace_back("the XMP data cannot be read and are left out");
    info.orientation = container.orientation;
    info.metadata.turned = container.turned || info.orientation != 1;
    info.metadata.sideways = container.sideways || info.orientation > 4;
    if (info.metadata.sideways) std::swap(info.metadata.ppi_x, info.metadata.ppi_y);
    info.size = info.orientation < 5 ? info.stored : Grid{info.stored.width, info.stored.height};
    image = FullRange(image);
    if (const auto planes = PlanesOf(container, image.bands())) image = Select(image, *planes);
    if (container.animation && info.frames == 1)
      info.warnings.emplace_back("an animation: its first frame alone is taken");
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
    DescribeColour(container.colour, bands < 3, &info);
    info.linear = IsLinearProfile(info.metadata.icc);
    loader->image_ = std::make_unique<Image>(std::move(image));
    if (*format == ImageFormat::kJpeg)
      loader->jpeg_ = std::make_unique<JpegDecoder>(loader->source_->pieces());
    if (*format == ImageFormat::kPng && frame.has_value() && info.frames > 1) {
      HIIF_ASSIGN_OR_RETURN(loader->composer_, ApngComposer::Create(bytes, limits, info));
      HIIF_RETURN_IF_ERROR(loader->composer_->CheckShow(*frame));
      info.channels = loader->composer_->channels();
      loader->frame_ = *frame;
    }
  } catch (const vips::VError& error) {
    return Damaged(*format, Reason(error));
  }
  return loader;
}

int64_t Loader::row_bytes() const {
  const int bands = info_.channels + (info_.cmyk ? 1 : 0);
  return info_.stored.width * bands * SampleBytes(info_.type);
}

absl::Status Loader::ReadRows(int64_t y, int64_t count, uint8_t* out) {
  if (composer_ != nullptr) {
    if (composer_->canvas().empty()) HIIF_RETURN_IF_ERROR(composer_->Show(frame_));
    std::memcpy(out, composer_->canvas().data() + y * row_bytes(), count * row_bytes());
    return absl::OkStatus();
  }
  if (jpeg_ != nullptr) {
    const absl::Status read = jpeg_->ReadRows(count, row_bytes(), out);
    return read.ok() ? read : Damaged(info_.format, read.message());
  }
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
    return Damaged(info_.format, Reason(error));
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
