#include "imaging/exif.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
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
  kInteroperability = 0xa005,
  kPixelXDimension = 0xa002,
  kPixelYDimension = 0xa003,
};

enum Type : uint16_t { kByte = 1, kShort = 3, kLong = 4, kRational = 5 };

constexpr size_t kMostRead = size_t{1} << 20;  // of a block, for orientation and resolution
constexpr size_t kMaxDirectories = 32;
constexpr double kCentimetresPerInch = 2.54;
constexpr size_t kHeaderBytes = 8;
constexpr size_t kEntryBytes = 12;

// The numbers of a block in its own byte order. Reading outside of it gives 0, writing nothing.
class Block {
 public:
  explicit Block(std::string* bytes) : bytes_(*bytes), big_(bytes->front() == 'M') {}

  uint32_t Get(size_t at, int count) const {
    if (at > bytes_.size() || bytes_.size() - at < count) return 0;
    uint32_t value = 0;
    for (int i = 0; i < count; ++i)
      value |= static_cast<uint32_t>(static_cast<uint8_t>(bytes_[at + i]))
               << 8 * (big_ ? count - 1 - i : i);
    return value;
  }

  void Set(size_t at, int count, uint32_t value) {
    if (at > bytes_.size() || bytes_.size() - at < count) return;
    for (int i = 0; i < count; ++i)
      bytes_[at + i] = static_cast<char>(value >> 8 * (big_ ? count - 1 - i : i) & 0xff);
  }

  // Calls f(tag, position of the entry) for each entry of a directory that is there whole; returns
  // the position of the link to the next directory, 0 where the block ends before it.
  template <typename F>
  size_t ForEach(size_t directory, F f) const {
    if (directory < kHeaderBytes || directory + 2 > bytes_.size()) return 0;
    const size_t count = Get(directory, 2);
    const size_t end = directory + 2 + count * kEntryBytes;
    for (size_t i = 0; i < count; ++i) {
      const size_t entry = directory + 2 + i * kEntryBytes;
      if (entry + kEntryBytes > bytes_.size()) return 0;
      f(Get(entry, 2), entry);
    }
    return end + 4 <= bytes_.size() ? end : 0;
  }

  // A single SHORT or LONG, and nothing else.
  std::optional<uint32_t> Integer(size_t entry) const {
    if (Get(entry + 4, 4) != 1) return std::nullopt;
    if (Get(entry + 2, 2) == kShort) return Get(entry + 8, 2);
    if (Get(entry + 2, 2) == kLong) return Get(entry + 8, 4);
    return std::nullopt;
  }

  // The first of however many are declared: no list of such small numbers lies elsewhere.
  int Orientation(size_t entry) const {
    const uint32_t type = Get(entry + 2, 2);
    const uint32_t value = type == kByte    ? Get(entry + 8, 1)
                           : type == kShort ? Get(entry + 8, 2)
                           : type == kLong  ? Get(entry + 8, 4)
                                            : 0;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
  }

  double Rational(size_t entry) const {
    if (Get(entry + 2, 2) != kRational) return 0;
    const size_t at = Get(entry + 8, 4);
    const uint32_t below = Get(at + 4, 4);
    return below == 0 ? 0 : static_cast<double>(Get(at, 4)) / below;
  }

  void SetInteger(size_t entry, int64_t value) {
    const bool is_short = Get(entry + 2, 2) == kShort && value <= 0xffff;
    Set(entry + 2, 2, is_short ? kShort : kLong);
    Set(entry + 4, 4, 1);
    Set(entry + 8, 4, 0);
    Set(entry + 8, is_short ? 2 : 4, static_cast<uint32_t>(value));
  }

  void SetRational(size_t entry, double value) {
    if (Get(entry + 2, 2) != kRational || !(value < 1e5)) return;
    constexpr uint32_t kParts = 10000;
    const size_t at = Get(entry + 8, 4);
    if (at < kHeaderBytes) return;
    Set(at, 4, static_cast<uint32_t>(std::lround(value * kParts)));
    Set(at + 4, 4, kParts);
  }

 private:
  std::string& bytes_;
  const bool big_;
};

bool IsExif(absl::string_view exif) {
  return exif.size() > kHeaderBytes && (absl::StartsWith(exif, absl::string_view("II*\0", 4)) ||
                                        absl::StartsWith(exif, absl::string_view("MM\0*", 4)));
}

// Unlinks the directory of the thumbnail and takes its pixels out.
void DropThumbnail(std::string* exif, Block* block, size_t link) {
  uint32_t offset = 0;
  uint32_t length = 0;
  block->ForEach(block->Get(link, 4), [&](uint32_t tag, size_t entry) {
    if (tag == kThumbnailOffset) offset = block->Integer(entry).value_or(0);
    if (tag == kThumbnailLength) length = block->Integer(entry).value_or(0);
  });
  block->Set(link, 4, 0);
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
  std::string copy(exif.substr(0, kMostRead));
  const Block block(&copy);
  uint32_t unit = 2;  // inches
  block.ForEach(block.Get(4, 4), [&](uint32_t tag, size_t entry) {
    if (tag == kOrientation && block.Orientation(entry) != 0)
      facts.orientation = block.Orientation(entry);
    if (tag == kXResolution) facts.ppi_x = block.Rational(entry);
    if (tag == kYResolution) facts.ppi_y = block.Rational(entry);
    if (tag == kResolutionUnit) unit = block.Integer(entry).value_or(unit);
  });
  const double factor = unit == 2 ? 1 : unit == 3 ? kCentimetresPerInch : 0;
  facts.ppi_x *= factor;
  facts.ppi_y *= factor;
  return facts;
}

absl::Status CheckExif(absl::string_view exif) {
  if (!IsExif(exif)) return absl::OkStatus();
  std::string copy(exif);
  const Block block(&copy);
  // More than real ones have, which some readers keep twice.
  const size_t most = 2 * exif.size() + 4096;
  constexpr size_t kMaxEntries = 20'000;
  size_t bytes = 0;
  size_t entries = 0;
  std::vector<size_t> directories = {block.Get(4, 4)};
  for (size_t i = 0; i < directories.size() && i < kMaxDirectories; ++i) {
    const size_t link = block.ForEach(directories[i], [&](uint32_t tag, size_t entry) {
      if (bytes > most || ++entries > kMaxEntries) return;
      const uint64_t size = uint64_t{block.Get(entry + 4, 4)} *
                            TiffTypeBytes(static_cast<uint16_t>(block.Get(entry + 2, 2)));
      if (size <= exif.size()) bytes += size;  // what is not there is not copied
      if (tag == kExifDirectory || tag == kGpsDirectory || tag == kInteroperability)
        directories.push_back(block.Get(entry + 8, 4));
    });
    if (link != 0) directories.push_back(block.Get(link, 4));
  }
  if (bytes <= most && entries <= kMaxEntries) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the EXIF data describe more than they hold; remove them (exiftool -exif= FILE) and try "
      "again");
}

std::string UpdatedExif(absl::string_view exif, Grid size, double ppi_x, double ppi_y) {
  if (!IsExif(exif)) return {};
  std::string out(exif);
  Block block(&out);
  size_t details = 0;
  const bool set_ppi = ppi_x > 0 && ppi_y > 0;
  const size_t link = block.ForEach(block.Get(4, 4), [&](uint32_t tag, size_t entry) {
    if (tag == kOrientation) block.SetInteger(entry, 1);
    if (tag == kImageWidth) block.SetInteger(entry, size.width);
    if (tag == kImageLength) block.SetInteger(entry, size.height);
    if (tag == kXResolution && set_ppi) block.SetRational(entry, ppi_x);
    if (tag == kYResolution && set_ppi) block.SetRational(entry, ppi_y);
    if (tag == kResolutionUnit && set_ppi) block.SetInteger(entry, 2);  // inches
    if (tag == kExifDirectory) details = block.Integer(entry).value_or(0);
  });
  if (details != 0)
    block.ForEach(details, [&](uint32_t tag, size_t entry) {
      if (tag == kPixelXDimension) block.SetInteger(entry, size.width);
      if (tag == kPixelYDimension) block.SetInteger(entry, size.height);
    });
  if (link != 0 && block.Get(link, 4) != 0) DropThumbnail(&out, &block, link);
  return out;
}

}  // namespace hiif
