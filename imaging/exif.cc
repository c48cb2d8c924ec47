#include "imaging/exif.h"

#include <cmath>
#include <cstdint>
#include <optional>

#include "absl/strings/match.h"

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
  kPixelXDimension = 0xa002,
  kPixelYDimension = 0xa003,
};

enum Type : uint16_t { kShort = 3, kLong = 4, kRational = 5 };

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

  // Calls f(tag, position of the entry) for each entry of a directory; returns the position of the
  // link to the next one, 0 where the directory does not fit into the block.
  template <typename F>
  size_t ForEach(size_t directory, F f) {
    if (directory < kHeaderBytes || directory + 2 > bytes_.size()) return 0;
    const size_t count = Get(directory, 2);
    const size_t end = directory + 2 + count * kEntryBytes;
    if (end > bytes_.size()) return 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t entry = directory + 2 + i * kEntryBytes;
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

int ExifOrientation(absl::string_view exif) {
  if (!IsExif(exif)) return 1;
  std::string copy(exif);
  Block block(&copy);
  int orientation = 1;
  block.ForEach(block.Get(4, 4), [&](uint32_t tag, size_t entry) {
    const uint32_t value = tag == kOrientation ? block.Integer(entry).value_or(1) : 0;
    if (value >= 1 && value <= 8) orientation = static_cast<int>(value);
  });
  return orientation;
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
