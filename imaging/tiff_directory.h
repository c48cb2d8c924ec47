// The directories of TIFF files and of EXIF blocks, which are the same thing. Internal to imaging.
#ifndef IMAGING_TIFF_DIRECTORY_H_
#define IMAGING_TIFF_DIRECTORY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace hiif {

enum class TiffType : uint16_t {
  kByte = 1,
  kAscii = 2,
  kShort = 3,
  kLong = 4,
  kRational = 5,
  kUndefined = 7,
  kIfd = 13,
  kLong8 = 16,  // BigTIFF only
  kIfd8 = 18,   // BigTIFF only
  kUtf8 = 129,  // EXIF 3.0 only
};

// Bytes of one value; 0: no type of TIFF 6, BigTIFF or EXIF 3.0.
int TiffTypeBytes(uint16_t type);

// An entry as it lies in the block.
struct TiffField {
  uint16_t tag = 0;
  uint16_t type = 0;
  uint64_t count = 0;
  absl::string_view value;  // in the block's byte order; empty where the block does not have it
  absl::string_view entry;  // as it lies there: tag, type, count, value or where that lies
  bool big_endian = false;

  // Value `index` of a field of unsigned integers; 0 where there is none.
  uint64_t Integer(uint64_t index = 0) const;
};

// A directory read: its fields, those of a type of no number left out, and where the next one lies
// (0: nowhere).
struct TiffFields {
  std::vector<TiffField> fields;
  uint64_t entries = 0;  // that are there, fields or not
  uint64_t next = 0;
  uint64_t next_at = 0;  // where that is said; 0: the block ends before

  const TiffField* Find(uint16_t tag) const;
  // The first value of a field of integers, or `missing`, also where its value is.
  uint64_t Integer(uint16_t tag, uint64_t missing = 0) const;
};

// Position of the first directory of a classic TIFF, a BigTIFF or an EXIF block; 0: it is none.
uint64_t FirstTiffDirectory(absl::string_view block);

// Of either size and byte order. Copies nothing.
TiffFields ReadTiffDirectory(absl::string_view block, uint64_t at);

// An entry to be written.
struct TiffEntry {
  uint16_t tag = 0;
  uint16_t type = 0;
  uint64_t count = 0;
  std::string value;  // little-endian
};

using TiffDirectory = std::vector<TiffEntry>;

// Entries of unsigned integers of type kByte, kShort, kLong or kLong8; of text.
TiffEntry MakeTiffEntry(uint16_t tag, TiffType type, const std::vector<uint64_t>& values);
TiffEntry MakeTiffEntry(uint16_t tag, TiffType type, absl::string_view bytes);

// The bytes of a directory, little-endian, with its values behind it, for position `at` of a file;
// `at` is even. Its length does not depend on the values.
std::string TiffDirectoryBytes(TiffDirectory directory, uint64_t at, bool big);

// Whether a tag of a first directory is kept, has a warning of its own, or belongs to the file and
// not to its picture: how samples and texts are stored, parts of the old JPEG, hints for printers
// and for displays of few colours.
bool IsKnownTiffTag(uint16_t tag);

// What of an EXIF block belongs into a TIFF's own directory, and its two sub-directories. Together
// they take no more than the block does: entries that share bytes are left out once it is used up,
// and those of a BigTIFF that are too many for a block.
struct ExifParts {
  TiffDirectory texts;    // camera, date, author, copyright, rating, ...
  TiffDirectory details;  // the EXIF directory
  TiffDirectory gps;
  std::vector<uint16_t> left_out;  // tags that have no place in it, or no room
};
ExifParts SplitExif(absl::string_view block);
// Of a directory that lies in the block: of a page of a TIFF file.
ExifParts SplitExif(absl::string_view block, const TiffFields& directory);

// The EXIF block (classic) of such parts; empty where there are none.
std::string JoinExif(const ExifParts& parts);

inline constexpr uint16_t kExifDirectoryTag = 0x8769;
inline constexpr uint16_t kGpsDirectoryTag = 0x8825;

}  // namespace hiif

#endif  // IMAGING_TIFF_DIRECTORY_H_
