// Chunks of a PNG. Internal to imaging.
#ifndef IMAGING_CONTAINER_PNG_H_
#define IMAGING_CONTAINER_PNG_H_

#include <functional>
#include <optional>

#include "absl/strings/string_view.h"

namespace hiif {

struct PngChunk {
  absl::string_view type;
  absl::string_view data;
  size_t begin = 0;  // of its length, in the file
  size_t end = 0;    // behind its check sum
};

// The chunk at `at`; nullopt where the file ends before it does.
std::optional<PngChunk> NextPngChunk(absl::string_view bytes, size_t at);

// Length, type, data and check sum.
std::string MakePngChunk(absl::string_view type, absl::string_view data);

inline constexpr size_t kPngSignatureBytes = 8;
inline constexpr size_t kApngSequenceBytes = 4;  // of "fdAT", before the data

}  // namespace hiif

#endif  // IMAGING_CONTAINER_PNG_H_
