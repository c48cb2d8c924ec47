// Boxes of an ISO base media file (ISO/IEC 14496-12, 4.2). Internal to imaging.
#ifndef IMAGING_CONTAINER_BOXES_H_
#define IMAGING_CONTAINER_BOXES_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "imaging/bytes.h"

namespace hiif {

struct Box {
  absl::string_view type;
  absl::string_view body;  // what is there of it
  size_t end = 0;          // where the next one begins
  bool whole = false;      // false: it says that it is longer than the file
};

// The box at `at` (at most bytes.size()); nullopt: no box.
inline std::optional<Box> NextBox(absl::string_view bytes, size_t at) {
  const size_t left = bytes.size() - at;
  if (left < 8) return std::nullopt;
  uint64_t size = BigEndian(bytes, at, 4);
  size_t header = 8;
  if (size == 1) {
    size = BigEndian(bytes, at + 8, 8);
    header = 16;
  }
  if (size == 0) size = left;  // as far as the file goes
  if (size < header) return std::nullopt;
  const bool whole = size <= left;
  return Box{bytes.substr(at + 4, 4), Slice(bytes, at + header, size - header),
             whole ? at + size : bytes.size(), whole};
}

}  // namespace hiif

#endif  // IMAGING_CONTAINER_BOXES_H_
