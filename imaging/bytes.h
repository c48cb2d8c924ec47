// Numbers of a file, read without going past its end. Internal to imaging.
#ifndef IMAGING_BYTES_H_
#define IMAGING_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace hiif {

// `count` (1 to 8) bytes at `at` as a number; 0 where they are not there.
inline uint64_t BigEndian(absl::string_view bytes, size_t at, size_t count) {
  if (at > bytes.size() || bytes.size() - at < count) return 0;
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

inline uint64_t LittleEndian(absl::string_view bytes, size_t at, size_t count) {
  if (at > bytes.size() || bytes.size() - at < count) return 0;
  uint64_t value = 0;
  for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

inline void AppendBigEndian(uint64_t value, int count, std::string* out) {
  for (int i = count - 1; i >= 0; --i) out->push_back(static_cast<char>(value >> 8 * i & 0xff));
}

inline void AppendLittleEndian(uint64_t value, int count, std::string* out) {
  for (int i = 0; i < count; ++i) out->push_back(static_cast<char>(value >> 8 * i & 0xff));
}

// The bytes from `at` on, at most `count`: fewer, or none, where the file ends before.
inline absl::string_view Slice(absl::string_view bytes, size_t at,
                               size_t count = absl::string_view::npos) {
  return at >= bytes.size() ? absl::string_view() : bytes.substr(at, count);
}

}  // namespace hiif

#endif  // IMAGING_BYTES_H_
