#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/image.h"
#include "base/status_macros.h"
#include "imaging/bytes.h"
#include "imaging/container/container.h"
#include "imaging/iptc.h"
#include "imaging/tiff_directory.h"

namespace hiif {
namespace {

enum Tag : uint16_t {
  kSubfileType = 254,
  kOldSubfileType = 255,
  kWidth = 256,
  kLength = 257,
  kBitsPerSample = 258,
  kCompression = 259,
  kPhotometric = 262,
  kOrientation = 274,
  kSamplesPerPixel = 277,
  kTransferFunction = 301,
  kPrimaryChromaticities = 319,
  kTileWidth = 322,
  kTileLength = 323,
  kSubIfds = 330,
  kInkSet = 332,
  kExtraSamples = 338,
  kSampleFormat = 339,
  kYccSubsampling = 530,
  kModelPixelScale = 33550,
  kIptc = 33723,
  kModelTiepoint = 33922,
  kModelTransformation = 34264,
  kPhotoshop = 34377,
  kIcc = 34675,
  kGeoKeys = 34735,
  kImageSourceData = 37724,
  kDngVersion = 50706,
};

enum Photometric : uint16_t {
  kPalette = 3,
  kSeparated = 5,
  kYcc = 6,
  kCieLab = 8,
  kIccLab = 9,
  kItuLab = 10,
  kCfa = 32803,
  kLinearRaw = 34892
};
enum Compression : uint16_t { kOldJpeg = 6, kJpeg = 7 };

// Entries of all directories together, and directories: files of scanners have some thousands.
constexpr size_t kMaxPages = 10'000;
constexpr size_t kMaxFields = 400'000;

struct Page {
  TiffFields fields;
  int number = 0;  // in the chain
  int64_t width = 0;
  int64_t height = 0;
  bool reduced = false;  // says to be a smaller copy, or a mask
};

bool IsCamera(absl::string_view bytes, const Page& page) {
  if (page.fields.Find(kDngVersion) != nullptr) return true;
  const TiffField* below = page.fields.Find(kSubIfds);
  if (below == nullptr) return false;
  for (uint64_t i = 0; i < std::min<uint64_t>(below->count, 8); ++i) {
    const uint64_t kind = ReadTiffDirectory(bytes, below->Integer(i)).Integer(kPhotometric);
    if (kind == kCfa || kind == kLinearRaw) return true;
  }
  return false;
}

absl::StatusOr<std::vector<Page>> Pages(absl::string_view bytes) {
  std::vector<Page> pages;
  std::set<uint64_t> seen;
  size_t fields = 0;
  for (uint64_t at = FirstTiffDirectory(bytes); at != 0 && seen.insert(at).second;) {
    Page page;
    page.fields = ReadTiffDirectory(bytes, at);
    fields += page.fields.entries;
    if (pages.size() == kMaxPages || fields > kMaxFields)
      return absl::InvalidArgumentError(
          absl::StrFormat("a TIFF of more than %d pages, or of more than %d tags, is refused",
                          kMaxPages, kMaxFields));
    page.number = static_cast<int>(pages.size());
    const auto side = [&page](uint16_t tag) {
      return static_cast<int64_t>(std::min<uint64_t>(page.fields.Integer(tag), kLargestSide));
    };
    page.width = side(kWidth);
    page.height = side(kLength);
    page.reduced =
        (page.fields.Integer(kSubfileType) & 5) != 0 || page.fields.Integer(kOldSubfileType) == 2;
    at = page.fields.next;
    pages.push_back(std::move(page));
  }
  return pages;
}

// A smaller copy of the first page that does not say so: of the same shape, at most half as wide.
bool LooksReduced(const Page& first, const Page& page) {
  if (2 * page.width > first.width + 1 || 2 * page.height > first.height + 1) return false;
  const int64_t a = page.width * first.height;
  const int64_t b = page.height * first.width;
  return std::abs(a - b) <= std::max(first.width, first.height);  // a pixel of rounding
}

// Of pages of which several are pictures: all but the copies.
std::vector<const Page*> Pictures(const std::vector<Page>& pages) {
  std::vector<const Page*> pictures;
  for (const Page& page : pages)
    if (!page.reduced) pictures.push_back(&page);
  if (pictures.empty())
    for (const Page& page : pages) pictures.push_back(&page);
  // Pages of a document are of about one size; where every other is a copy, it is no document.
  if (pictures.size() > 1 &&
      std::all_of(pictures.begin() + 1, pictures.end(),
                  [&](const Page* page) { return LooksReduced(*pictures[0], *page); }))
    pictures.erase(pictures.begin() + 1, pictures.end());
  return pictures;
}

// Values of a field that are there: a file may say that it has two billion.
uint64_t ValuesOf(const TiffField* field) {
  return field == nullptr ? 0 : field->value.size() / TiffTypeBytes(field->type);
}

// Whether the samples of a pixel are told apart by a field.
bool Differs(const TiffFields& fields, uint16_t tag) {
  const TiffField* field = fields.Find(tag);
  const uint64_t samples = std::min(ValuesOf(field), fields.Integer(kSamplesPerPixel, 1));
  for (uint64_t i = 1; i < samples; ++i)
    if (field->Integer(i) != field->Integer(0)) return true;
  return false;
}

// What libvips has a reader for.
absl::Status CheckSamples(const Page& page) {
  const uint64_t bits = page.fields.Integer(kBitsPerSample, 1);
  const uint64_t format = page.fields.Integer(kSampleFormat, 1);
  const uint64_t photometric = page.fields.Integer(kPhotometric);
  if (photometric == kIccLab || photometric == kItuLab)
    return absl::InvalidArgumentError(
        "a TIFF of ICC's or ITU's Lab is not supported; CIE's is, which other programs write");
  if (Differs(page.fields, kBitsPerSample) || Differs(page.fields, kSampleFormat))
    return absl::InvalidArgumentError(
        "a TIFF of samples of different depths or kinds is not supported");
  const bool is_float = format == 3;
  const bool palette = photometric == kPalette;
  const bool packed = palette || (photometric < 2 && page.fields.Integer(kSamplesPerPixel, 1) == 1);
  const bool fits = bits == 8 || bits == 16 || (packed && (bits == 1 || bits == 2 || bits == 4));
  if (is_float ? bits == 32 && !palette : (format == 1 || format == 4) && fits)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("a TIFF of %d-bit %s samples is not supported; unsigned integers of 8 and 16 "
                      "bits, of 1, 2 and 4 bits in grey alone or a palette, and floats of 32 bits "
                      "are",
                      bits,
                      is_float      ? "float"
                      : format == 2 ? "signed"
                                    : "integer"));
}

// A decoder holds a row of tiles: of the picture's size, not of another one's.
absl::Status CheckTiles(const Page& page) {
  constexpr int64_t kMaxTile = int64_t{1} << 26;
  const auto width = static_cast<int64_t>(page.fields.Integer(kTileWidth));
  const auto height = static_cast<int64_t>(page.fields.Integer(kTileLength));
  if (width == 0 || height == 0 || width <= kMaxTile / height) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("a TIFF of tiles of %d x %d pixels is refused", width, height));
}

// What the samples behind the colours are.
absl::Status FindPlanes(const Page& page, Container* out) {
  const auto samples = static_cast<int>(page.fields.Integer(kSamplesPerPixel, 1));
  const uint64_t photometric = page.fields.Integer(kPhotometric);
  if (photometric == kPalette) return absl::OkStatus();
  if (photometric == kSeparated && page.fields.Integer(kInkSet, 1) != 1)
    return absl::InvalidArgumentError("a TIFF of other inks than CMYK is not supported");
  const int colours = photometric < 2 ? 1 : photometric == kSeparated ? 4 : 3;
  // JPEG's are converted by its decoder, subsampled ones by libtiff; others would be taken for RGB.
  const uint64_t compression = page.fields.Integer(kCompression, 1);
  const TiffField* steps = page.fields.Find(kYccSubsampling);
  if (photometric == kYcc && compression != kJpeg && compression != kOldJpeg && steps != nullptr &&
      steps->Integer(0) == 1 && steps->Integer(1) == 1) {
    if (page.fields.Integer(kBitsPerSample, 1) != 8 || samples != colours)
      return absl::InvalidArgumentError("a TIFF of YCbCr of other than 8 bits is not supported");
    out->planes = Planes{.colours = colours, .ycc = true};
    return absl::OkStatus();
  }
  const TiffField* extra = page.fields.Find(kExtraSamples);
  // Without the tag one more sample is taken for transparency, as others take it.
  if (samples <= colours || (extra == nullptr && samples == colours + 1)) return absl::OkStatus();
  Planes planes{.colours = colours};
  for (int i = 0; i < std::min<int64_t>(ValuesOf(extra), samples - colours) && planes.alpha < 0;
       ++i) {
    const uint64_t kind = extra->Integer(i);
    if (kind == 1 || kind == 2) planes.alpha = colours + i;
    planes.associated = kind == 1;
  }
  if (photometric == kCieLab && planes.associated)
    return absl::InvalidArgumentError(
        "a TIFF of Lab with associated transparency is not supported");
  out->planes = planes;
  const int left_out = samples - colours - (planes.alpha < 0 ? 0 : 1);
  if (left_out > 0)
    out->warnings.push_back(
        absl::StrFormat("%d extra plane%s that the TIFF does not call transparency %s left out",
                        left_out, left_out == 1 ? "" : "s", left_out == 1 ? "is" : "are"));
  return absl::OkStatus();
}

// Hands the decoder associated transparency as straight one: some versions of libvips divide by it,
// others do not, and those that do take 255 for the whole of a float. Loader divides.
void CallStraight(absl::string_view bytes, const Page& page, Container* out) {
  constexpr uint64_t kAssociated = 1;
  constexpr char kStraight = 2;
  const TiffField* extra = page.fields.Find(kExtraSamples);
  if (extra == nullptr) return;
  const size_t unit = TiffTypeBytes(extra->type);
  const uint64_t samples = page.fields.Integer(kSamplesPerPixel, 1);
  std::string changed(extra->value.substr(0, std::min(extra->count, samples) * unit));
  bool any = false;
  for (uint64_t i = 0; (i + 1) * unit <= changed.size(); ++i) {
    if (extra->Integer(i) != kAssociated) continue;
    changed[i * unit + (extra->big_endian ? unit - 1 : 0)] = kStraight;
    any = true;
  }
  if (!any) return;
  const size_t at = extra->value.data() - bytes.data();
  AddPiece(bytes, 0, at, out);
  out->pieces.emplace_back(out->made.emplace_back(std::move(changed)));
  AddPiece(bytes, at + out->made.back().size(), bytes.size(), out);
}

void TellLosses(const Page& page, Container* out) {
  const TiffFields& fields = page.fields;
  const auto has = [&fields](uint16_t tag) { return fields.Find(tag) != nullptr; };
  if (has(kModelPixelScale) || has(kModelTiepoint) || has(kModelTransformation) || has(kGeoKeys))
    out->warnings.emplace_back(
        "TIFF: the georeference is left out: it is of the original's pixels");
  if (has(kSubIfds)) out->warnings.emplace_back("TIFF: pictures below the page are left out");
  if (has(kImageSourceData)) out->warnings.emplace_back("TIFF: Photoshop's layers are left out");
  if (!has(kIcc) && (has(kTransferFunction) || has(kPrimaryChromaticities)))
    out->warnings.emplace_back(
        "TIFF: its transfer function and primaries, which are no profile, are left out");
  LeftOut left_out;
  for (const TiffField& field : fields.fields)
    if (!IsKnownTiffTag(field.tag)) left_out.Add(absl::StrCat(field.tag));
  left_out.Tell("TIFF: tags that are not known are left out", &out->warnings);
}

// Profile, and what Photoshop has.
void TakeMetadata(const Page& page, Container* out) {
  if (const TiffField* icc = page.fields.Find(kIcc); icc != nullptr) {
    out->metadata.icc = std::string(icc->value);
    if (icc->value.empty())
      out->warnings.emplace_back("the colour profile is damaged and left out");
  }
  const TiffField* photoshop = page.fields.Find(kPhotoshop);
  if (photoshop == nullptr) return;
  if (HasPaths(photoshop->value))
    out->warnings.emplace_back("Photoshop's paths are left out: they are of the original");
  if (page.fields.Find(kIptc) == nullptr) out->metadata.iptc = IptcRecords(photoshop->value);
}

}  // namespace

absl::StatusOr<Container> ReadTiff(absl::string_view bytes, std::optional<int> frame) {
  Container out;
  HIIF_ASSIGN_OR_RETURN(const std::vector<Page> pages, Pages(bytes));
  if (pages.empty()) return out;  // the decoder says what is wrong
  const std::vector<const Page*> pictures = Pictures(pages);
  for (const Page* page : pictures) out.pages.push_back(page->number);
  out.frames = static_cast<int>(pictures.size());
  if (pictures.size() < pages.size())
    out.warnings.push_back(absl::StrFormat("%d smaller copies or masks in the TIFF are left out",
                                           pages.size() - pictures.size()));
  const size_t wanted = frame && *frame >= 0 && *frame < *out.frames ? *frame : 0;
  const Page& page = *pictures[wanted];
  if (IsCamera(bytes, page))
    return absl::InvalidArgumentError(
        "a camera's raw file is not supported: develop it to a TIFF or JPEG first");
  HIIF_RETURN_IF_ERROR(CheckSamples(page));
  HIIF_RETURN_IF_ERROR(CheckTiles(page));
  HIIF_RETURN_IF_ERROR(FindPlanes(page, &out));
  CallStraight(bytes, page, &out);
  TellLosses(page, &out);
  TakeMetadata(page, &out);
  const uint64_t orientation = page.fields.Integer(kOrientation, 1);
  out.orientation = orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  // A TIFF has no block of EXIF, it has the directories themselves, each page its own.
  out.metadata.exif = JoinExif(SplitExif(bytes, page.fields));
  return out;
}

}  // namespace hiif
