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
  kLong8 = 16,  // BigTIFF only
};

// Bytes of one value; 0: no type of TIFF 6.
int TiffTypeBytes(uint16_t type);

struct TiffEntry {
  uint16_t tag = 0;
  uint16_t type = 0;
  uint64_t count = 0;
  std::string value;  // little-endian
};

using TiffDirectory = std::vector<TiffEntry>;

// Position of the first directory of a classic TIFF or EXIF block; 0: it is none.
uint32_t FirstTiffDirectory(absl::string_view block);

// Entries of a directory of a classic block of either byte order; damaged ones are left out.
TiffDirectory ReadTiffDirectory(absl::string_view block, uint32_t at);

// The first value of an entry of integers; 0 where there is no such entry.
uint64_t TiffInteger(const TiffDirectory& directory, uint16_t tag);

// Entries of unsigned integers of type kByte, kShort, kLong or kLong8; of text.
TiffEntry MakeTiffEntry(uint16_t tag, TiffType type, const std::vector<uint64_t>& values);
TiffEntry MakeTiffEntry(uint16_t tag, TiffType type, absl::string_view bytes);

// The bytes of a directory, little-endian, with its values behind it, for position `at` of a file;
// `at` is even. Its length does not depend on the values.
std::string TiffDirectoryBytes(TiffDirectory directory, uint64_t at, bool big);

// What of an EXIF block belongs into a TIFF's own directory, and its two sub-directories.
struct ExifParts {
  TiffDirectory texts;    // camera, date, author, copyright, ...
  TiffDirectory details;  // the EXIF directory
  TiffDirectory gps;
};
ExifParts SplitExif(absl::string_view block);

// The EXIF block of such parts; empty where there are none. SplitExif() of a TIFF file gives its.
std::string JoinExif(const ExifParts& parts);

inline constexpr uint16_t kExifDirectoryTag = 0x8769;
inline constexpr uint16_t kGpsDirectoryTag = 0x8825;

}  // namespace hiif

#endif  // IMAGING_TIFF_DIRECTORY_H_
