// Blocks of a GIF. Internal to imaging.
#ifndef IMAGING_CONTAINER_GIF_H_
#define IMAGING_CONTAINER_GIF_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace hiif {

// The first picture of a GIF.
struct GifStill {
  absl::string_view table;  // of its colours: 3 * 2^(table_bits + 1) bytes
  int table_bits = 0;
  int flags = 0;                   // of its descriptor
  absl::string_view data;          // from the code size to the empty sub-block
  std::optional<int> transparent;  // index
};

// nullopt: there is none, or it is cut.
std::optional<GifStill> ReadGifStill(absl::string_view bytes);

}  // namespace hiif

#endif  // IMAGING_CONTAINER_GIF_H_
