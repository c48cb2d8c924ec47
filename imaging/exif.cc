#include "imaging/exif.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "imaging/bytes.h"
#include "imaging/tiff_directory.h"

namespace hiif {
namespace {

enum Tag : uint16_t {
  kImageWidth = 0x0100,
  kImageLength = 0x0101,
  kOrientation = 0x0112,
  kXResolution = 0x011a,
  kYResolution = 0x011b,
  kResolutionUnit = 0x0128,
  kThumbnailOffset = 0x0201,
  kThumbnailLength = 0x0202,
  kExifDirectory = 0x8769,
  kGpsDirectory = 0x8825,
  kColourSpace = 0xa001,
  kInteroperability = 0xa005,
  kPixelXDimension = 0xa002,
  kPixelYDimension = 0xa003,
};

enum InteroperabilityTag : uint16_t { kIndex = 1 };

constexpr size_t kMaxDirectories = 32;
constexpr double kCentimetresPerInch = 2.54;
constexpr size_t kHeaderBytes = 8;

bool Is(const TiffField& field, TiffType type) { return field.type == static_cast<uint16_t>(type); }

// A single SHORT or LONG, and nothing else.
std::optional<uint32_t> Integer(const TiffField& field) {
  if (field.count != 1 || (!Is(field, TiffType::kShort) && !Is(field, TiffType::kLong)))
    return std::nullopt;
  return static_cast<uint32_t>(field.Integer());
}

uint64_t Number(const TiffField& field, absl::string_view bytes, size_t at, size_t count) {
  return field.big_endian ? BigEndian(bytes, at, count) : LittleEndian(bytes, at, count);
}

// The first of however many are declared: no list of such small numbers lies elsewhere. 0: none.
int Orientation(const TiffField& field) {
  if (!Is(field, TiffType::kByte) && !Is(field, TiffType::kShort) && !Is(field, TiffType::kLong))
    return 0;
  const uint64_t value = Number(field, field.entry, 8, TiffTypeBytes(field.type));
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
}

double Rational(const TiffField& field) {
  if (!Is(field, TiffType::kRational)) return 0;
  const auto above = static_cast<double>(Number(field, field.value, 0, 4));
  const auto below = static_cast<double>(Number(field, field.value, 4, 4));
  return below == 0 ? 0 : above / below;
}

// Changes a block in place: what its fields are views of.
class Editor {
 public:
  explicit Editor(std::string* bytes) : bytes_(*bytes), big_(bytes->front() == 'M') {}

  void Set(size_t at, int count, uint32_t value) {
    if (at > bytes_.size() || bytes_.size() - at < count) return;
    for (int i = 0; i < count; ++i)
      bytes_[at + i] = static_cast<char>(value >> 8 * (big_ ? count - 1 - i : i) & 0xff);
  }

  void SetInteger(const TiffField& field, int64_t value) {
    const bool is_short = Is(field, TiffType::kShort) && value <= 0xffff;
    const size_t entry = At(field.entry);
    Set(entry + 2, 2, static_cast<uint32_t>(is_short ? TiffType::kShort : TiffType::kLong));
    Set(entry + 4, 4, 1);
    Set(entry + 8, 4, 0);
    Set(entry + 8, is_short ? 2 : 4, static_cast<uint32_t>(value));
  }

  void SetRational(const TiffField& field, double value) {
    constexpr uint32_t kParts = 10000;
    constexpr size_t kBytes = 8;
    if (!Is(field, TiffType::kRational) || field.value.size() < kBytes || !(value < 1e5)) return;
    const size_t at = At(field.value);
    if (at < kHeaderBytes) return;
    Set(at, 4, static_cast<uint32_t>(std::lround(value * kParts)));
    Set(at + 4, 4, kParts);
  }

  // Of two rationals.
  void Swap(const TiffField& a, const TiffField& b) {
    constexpr size_t kBytes = 8;
    if (!Is(a, TiffType::kRational) || !Is(b, TiffType::kRational) || a.value.size() != kBytes ||
        b.value.size() != kBytes)
      return;
    const std::string first(a.value);
    const std::string second(b.value);
    bytes_.replace(At(a.value), kBytes, second);
    bytes_.replace(At(b.value), kBytes, first);
  }

  // A text of the same length.
  void SetText(const TiffField& field, absl::string_view text) {
    if (Is(field, TiffType::kAscii) && field.value.size() == text.size())
      bytes_.replace(At(field.value), text.size(), text.data(), text.size());
  }

 private:
  size_t At(absl::string_view part) const { return part.data() - bytes_.data(); }

  std::string& bytes_;
  const bool big_;
};

bool IsExif(absl::string_view exif) {
  return exif.size() > kHeaderBytes && (absl::StartsWith(exif, absl::string_view("II*\0", 4)) ||
                                        absl::StartsWith(exif, absl::string_view("MM\0*", 4)));
}

// The index of a camera's files in Adobe RGB becomes that of those in sRGB.
void SetBasicRules(absl::string_view exif, const TiffFields& details, Editor* editor) {
  const TiffFields rules = ReadTiffDirectory(exif, details.Integer(kInteroperability));
  const TiffField* index = rules.Find(kIndex);
  if (index != nullptr && absl::StartsWith(index->value, "R03"))
    editor->SetText(*index, absl::string_view("R98", 4));
}

// Unlinks the directory of the thumbnail and takes its pixels out.
void DropThumbnail(std::string* exif, Editor* editor, const TiffFields& first) {
  const TiffFields directory = ReadTiffDirectory(*exif, first.next);
  const auto offset = static_cast<uint32_t>(directory.Integer(kThumbnailOffset));
  const auto length = static_cast<uint32_t>(directory.Integer(kThumbnailLength));
  editor->Set(first.next_at, 4, 0);
  if (offset < kHeaderBytes || offset > exif->size() || length > exif->size() - offset) return;
  if (offset + length == exif->size())
    exif->resize(offset);
  else
    exif->replace(offset, length, length, '\0');
}

}  // namespace

ExifFacts ReadExif(absl::string_view exif) {
  ExifFacts facts;
  if (!IsExif(exif)) return facts;
  facts.valid = true;
  uint32_t unit = 2;  // inches
  for (const TiffField& field : ReadTiffDirectory(exif, FirstTiffDirectory(exif)).fields) {
    if (field.tag == kOrientation && Orientation(field) != 0)
      facts.orientation = Orientation(field);
    if (field.tag == kXResolution) facts.ppi_x = Rational(field);
    if (field.tag == kYResolution) facts.ppi_y = Rational(field);
    if (field.tag == kResolutionUnit) unit = Integer(field).value_or(unit);
  }
  const double factor = unit == 2 ? 1 : unit == 3 ? kCentimetresPerInch : 0;
  facts.ppi_x *= factor;
  facts.ppi_y *= factor;
  return facts;
}

absl::Status CheckExif(absl::string_view exif) {
  if (!IsExif(exif)) return absl::OkStatus();
  // More than real ones have, which some readers keep twice.
  const size_t most = 2 * exif.size() + 4096;
  constexpr size_t kMaxEntries = 20'000;
  size_t bytes = 0;
  size_t entries = 0;
  std::vector<uint64_t> directories = {FirstTiffDirectory(exif)};
  for (size_t i = 0; i < directories.size() && i < kMaxDirectories; ++i) {
    const TiffFields directory = ReadTiffDirectory(exif, directories[i]);
    entries += directory.entries;
    for (const TiffField& field : directory.fields) {
      if (bytes > most) break;
      const uint64_t size = field.count * TiffTypeBytes(field.type);
      if (size <= exif.size()) bytes += size;  // what is not there is not copied
      if (field.tag == kExifDirectory || field.tag == kGpsDirectory ||
          field.tag == kInteroperability)
        directories.push_back(field.Integer());
    }
    if (directory.next != 0) directories.push_back(directory.next);
  }
  if (bytes <= most && entries <= kMaxEntries) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the EXIF data describe more than they hold; remove them (exiftool -exif= FILE) and try "
      "again");
}

std::string UpdatedExif(absl::string_view exif, const ExifChanges& changes) {
  if (!IsExif(exif)) return {};
  const auto& [size, ppi_x, ppi_y, sideways, srgb] = changes;
  std::string out(exif);
  Editor editor(&out);
  const bool set_ppi = ppi_x > 0 && ppi_y > 0;
  const TiffFields first = ReadTiffDirectory(out, FirstTiffDirectory(out));
  for (const TiffField& field : first.fields) {
    if (field.tag == kOrientation) editor.SetInteger(field, 1);
    if (field.tag == kImageWidth) editor.SetInteger(field, size.width);
    if (field.tag == kImageLength) editor.SetInteger(field, size.height);
    if (field.tag == kXResolution && set_ppi) editor.SetRational(field, ppi_x);
    if (field.tag == kYResolution && set_ppi) editor.SetRational(field, ppi_y);
    if (field.tag == kResolutionUnit && set_ppi) editor.SetInteger(field, 2);  // inches
  }
  const TiffField* x = first.Find(kXResolution);
  const TiffField* y = first.Find(kYResolution);
  if (sideways && !set_ppi && x != nullptr && y != nullptr) editor.Swap(*x, *y);
  const TiffFields details = ReadTiffDirectory(out, first.Integer(kExifDirectory));
  for (const TiffField& field : details.fields) {
    if (field.tag == kPixelXDimension) editor.SetInteger(field, size.width);
    if (field.tag == kPixelYDimension) editor.SetInteger(field, size.height);
    if (field.tag == kColourSpace && srgb) editor.SetInteger(field, 1);
  }
  if (srgb) SetBasicRules(out, details, &editor);
  if (first.next != 0) DropThumbnail(&out, &editor, first);
  return out;
}

}  // namespace hiif
