#include "imaging/format.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "imaging/library.h"

namespace hiif {
namespace {

enum class Channels {
  kAny,     // 1 to 4
  kOpaque,  // grey or RGB
  kColour,  // RGB, with alpha or without
};

struct Format {
  ImageFormat format;
  absl::string_view name;
  absl::string_view extensions;  // by spaces, the usual one first
  const char* loader;            // nicknames of libvips' operations
  const char* saver;             // "": our own writer; nullptr: none
  int64_t max_side;              // of an output
  SampleType deepest;
  Channels channels;
  bool whole;  // as WrittenWhole() says
};

// AVIF and HEIC share a container; the AV1 encoder of libheif stops at 16,384.
constexpr std::array kFormats = {
    Format{ImageFormat::kPng, "PNG", "png apng", "pngload_source", "", kLargestSide,
           SampleType::kU16, Channels::kAny, false},
    Format{ImageFormat::kJpeg, "JPEG", "jpg jpeg jpe jfif", "jpegload_source", "", 65500,
           SampleType::kU8, Channels::kOpaque, false},
    Format{ImageFormat::kWebp, "WebP", "webp", "webpload_source", "", 16383, SampleType::kU8,
           Channels::kColour, true},
    Format{ImageFormat::kTiff, "TIFF", "tif tiff", "tiffload_source", "", kLargestSide,
           SampleType::kF32, Channels::kAny, false},
    Format{ImageFormat::kAvif, "AVIF", "avif", "heifload_source", "heifsave_target", 16384,
           SampleType::kU8, Channels::kColour, true},
    Format{ImageFormat::kHeic, "HEIC", "heic heif", "heifload_source", nullptr, 0, SampleType::kU8,
           Channels::kAny, false},
    Format{ImageFormat::kJxl, "JPEG XL", "jxl", "jxlload_source", "jxlsave_target", kLargestSide,
           SampleType::kF32, Channels::kAny, true},
    Format{ImageFormat::kGif, "GIF", "gif", "gifload_source", "gifsave_target", 65535,
           SampleType::kU8, Channels::kColour, true},
    Format{ImageFormat::kPpm, "PPM", "ppm pgm pnm pbm pfm", "ppmload_source", "", kLargestSide,
           SampleType::kU16, Channels::kOpaque, false},
};
static_assert(InOrderOfFormats(kFormats));

const Format& Of(ImageFormat format) { return kFormats[static_cast<size_t>(format)]; }

std::string Join(bool (*wanted)(ImageFormat)) {
  std::vector<absl::string_view> names;
  for (const Format& f : kFormats)
    if (wanted(f.format)) names.push_back(f.name);
  return absl::StrJoin(names, ", ");
}

// The brands of an ISO base media file ("ftyp" box) that are AV1 images.
bool IsAvif(absl::string_view brand) { return brand == "avif" || brand == "avis"; }

bool IsHeic(absl::string_view brand) {
  return brand == "heic" || brand == "heix" || brand == "heim" || brand == "heis" ||
         brand == "hevc" || brand == "hevx" || brand == "mif1" || brand == "msf1";
}

std::optional<ImageFormat> SniffMediaFile(absl::string_view bytes) {
  const absl::string_view major = bytes.substr(8, 4);
  if (IsAvif(major)) return ImageFormat::kAvif;
  if (!IsHeic(major)) return std::nullopt;
  // "mif1" says nothing about the codec; the compatible brands do.
  const size_t box = static_cast<uint8_t>(bytes[2]) * 256 + static_cast<uint8_t>(bytes[3]);
  for (size_t i = 16; i + 4 <= bytes.size() && i + 4 <= box; i += 4)
    if (IsAvif(bytes.substr(i, 4))) return ImageFormat::kAvif;
  return ImageFormat::kHeic;
}

}  // namespace

absl::string_view FormatName(ImageFormat format) { return Of(format).name; }

absl::string_view FormatExtension(ImageFormat format) {
  const absl::string_view all = Of(format).extensions;
  return all.substr(0, all.find(' '));
}

std::optional<ImageFormat> SniffFormat(absl::string_view bytes) {
  using absl::StartsWith;
  constexpr absl::string_view kJxlContainer("\0\0\0\x0cJXL \r\n\x87\n", 12);
  if (StartsWith(bytes, "\x89PNG\r\n\x1a\n")) return ImageFormat::kPng;
  if (StartsWith(bytes, "\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (StartsWith(bytes, "RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP")
    return ImageFormat::kWebp;
  for (const absl::string_view magic :
       {absl::string_view("II*\0", 4), absl::string_view("MM\0*", 4), absl::string_view("II+\0", 4),
        absl::string_view("MM\0+", 4)})
    if (StartsWith(bytes, magic)) return ImageFormat::kTiff;
  if (StartsWith(bytes, "GIF87a") || StartsWith(bytes, "GIF89a")) return ImageFormat::kGif;
  if (StartsWith(bytes, "\xff\x0a") || StartsWith(bytes, kJxlContainer)) return ImageFormat::kJxl;
  if (bytes.size() >= 16 && bytes.substr(4, 4) == "ftyp") return SniffMediaFile(bytes);
  if (bytes.size() >= 3 && bytes[0] == 'P' && absl::StrContains("123456fF", bytes[1]) &&
      (absl::ascii_isspace(bytes[2]) || bytes[2] == '#'))
    return ImageFormat::kPpm;
  return std::nullopt;
}

absl::StatusOr<ImageFormat> FormatFromPath(absl::string_view path) {
  const absl::string_view name = path.substr(path.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  const std::string extension =
      dot == absl::string_view::npos ? "" : absl::AsciiStrToLower(name.substr(dot + 1));
  std::vector<absl::string_view> all;
  for (const Format& f : kFormats) {
    for (const absl::string_view e : absl::StrSplit(f.extensions, ' ')) {
      if (!extension.empty() && e == extension) return f.format;
      all.push_back(e);
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": the extension says no image format; known are ", absl::StrJoin(all, ", ")));
}

const char* LoaderOperation(ImageFormat format) { return Of(format).loader; }
const char* SaverOperation(ImageFormat format) { return Of(format).saver; }

bool CanRead(ImageFormat format) { return HasOperation(Of(format).loader); }

bool CanWrite(ImageFormat format) {
  const char* saver = Of(format).saver;
  return saver != nullptr && (*saver == '\0' || HasOperation(saver));
}

std::string ReadableFormats() { return Join(&CanRead); }
std::string WritableFormats() { return Join(&CanWrite); }

SampleType StoredType(ImageFormat format, SampleType type) {
  return std::min(type, Of(format).deepest);
}

int StoredChannels(ImageFormat format, int channels) {
  const Channels held = Of(format).channels;
  if (held == Channels::kAny) return channels;
  if (held == Channels::kOpaque) return channels < 3 ? 1 : 3;
  return channels % 2 == 0 ? 4 : 3;
}

bool WrittenWhole(ImageFormat format) { return Of(format).whole; }

std::vector<std::string> RoundingWarnings(ImageFormat format, SampleType type) {
  const SampleType stored = StoredType(format, type);
  if (stored == type) return {};
  const auto samples = [](SampleType of) {
    return of == SampleType::kF32 ? "float" : of == SampleType::kU16 ? "16-bit" : "8-bit";
  };
  return {absl::StrFormat("%s is written with %s samples; the %s ones of the picture are rounded",
                          FormatName(format), samples(stored), samples(type))};
}

absl::Status CheckWritable(ImageFormat format, Grid size) {
  if (!CanWrite(format))
    return absl::UnimplementedError(absl::StrCat(
        FormatName(format), " cannot be written by this build; it writes ", WritableFormats()));
  if (size.width < 1 || size.height < 1)
    return absl::InvalidArgumentError(
        absl::StrFormat("an image of %d x %d pixels cannot be written", size.width, size.height));
  const int64_t most = Of(format).max_side;
  if (size.width <= most && size.height <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s holds at most %d pixels a side, the output has %d x %d%s", FormatName(format), most,
      size.width, size.height, most == kLargestSide ? "" : "; PNG and TIFF hold more"));
}

}  // namespace hiif
