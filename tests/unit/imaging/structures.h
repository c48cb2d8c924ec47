// Parts of files, byte by byte, for tests of what is read of them.
#ifndef TESTS_UNIT_IMAGING_STRUCTURES_H_
#define TESTS_UNIT_IMAGING_STRUCTURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "imaging/bytes.h"

namespace hiif::testing {

// An EXIF block, little-endian, of entries that are given as they lie there.
inline std::string Exif(const std::vector<std::string>& entries) {
  std::string out("II*\0\x08\0\0\0", 8);
  AppendLittleEndian(entries.size(), 2, &out);
  for (const std::string& entry : entries) out += entry;
  return out + std::string(4, '\0');
}

// An entry of it: a value, or where that lies.
inline std::string Entry(uint16_t tag, uint16_t type, uint32_t count, uint32_t value) {
  std::string out;
  AppendLittleEndian(tag, 2, &out);
  AppendLittleEndian(type, 2, &out);
  AppendLittleEndian(count, 4, &out);
  AppendLittleEndian(value, 4, &out);
  return out;
}

// Of ISO base media files.
inline std::string Box(absl::string_view type, absl::string_view body) {
  std::string out;
  AppendBigEndian(body.size() + 8, 4, &out);
  return absl::StrCat(out, type, body);
}

// With version and flags of 0.
inline std::string FullBox(absl::string_view type, absl::string_view body) {
  return Box(type, absl::StrCat(std::string(4, '\0'), body));
}

// An AVIF of such boxes in its "meta", and some behind it.
inline std::string Heif(absl::string_view meta, absl::string_view behind = "") {
  return absl::StrCat(Box("ftyp", absl::string_view("avif\0\0\0\0mif1avif", 16)),
                      FullBox("meta", meta), behind);
}

// An item of a HEIF file; words: its name and what it is, each with a zero behind it.
inline std::string Item(uint16_t id, absl::string_view type, absl::string_view words) {
  std::string body("\2\0\0\0", 4);
  AppendBigEndian(id, 2, &body);
  return Box("infe", absl::StrCat(body, std::string(2, '\0'), type, words));
}

inline std::string Items(const std::vector<std::string>& items) {
  std::string body;
  AppendBigEndian(items.size(), 2, &body);
  for (const std::string& item : items) body += item;
  return FullBox("iinf", body);
}

// Big-endian.
inline std::string Numbers(const std::vector<uint32_t>& values) {
  std::string out;
  for (const uint32_t v : values) AppendBigEndian(v, 4, &out);
  return out;
}

// Bits of a codestream's header, in the order in which they come; with spaces between fields or
// not.
inline std::string JxlBits(absl::string_view bits) {
  std::string out = "\xff\x0a";
  int count = 0;
  for (const char bit : bits) {
    if (bit == ' ') continue;
    if (count % 8 == 0) out.push_back('\0');
    out.back() = static_cast<char>(out.back() | (bit - '0') << count++ % 8);
  }
  return out + std::string(8, '\0');
}

inline const std::string kJxlSize = "1 10000 100";      // 16 x 16
inline const std::string kJxlPlain = "0 0 000 1";       // nothing more than usual, 8 bits
inline const std::string kJxlDepth = "0 10 000 00 00";  // a type, 8 bits, its size, no name
inline const std::string kJxlAssociated = "0 00 000 00 00 1";

// Of a file of boxes.
inline std::string JxlStart() {
  return absl::StrCat(absl::string_view("\0\0\0\x0cJXL \r\n\x87\n", 12),
                      Box("ftyp", absl::string_view("jxl \0\0\0\0jxl ", 12)));
}

}  // namespace hiif::testing

#endif  // TESTS_UNIT_IMAGING_STRUCTURES_H_
