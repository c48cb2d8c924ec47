// Pictures side by side, each with a line of text under it, because people would rather look.
#ifndef IMAGING_SHEET_H_
#define IMAGING_SHEET_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/image.h"

namespace hiif {

struct SheetCell {
  std::string label;  // plain text, one line
  RgbImage image;     // 8 bits
};

// The bytes of a PNG: cells in rows of `columns`, white between them. InvalidArgument: no cell, or
// an image that is not of 8 bits.
absl::StatusOr<std::string> MakeSheet(const std::vector<SheetCell>& cells, int columns);

}  // namespace hiif

#endif  // IMAGING_SHEET_H_
