#include "base/crop_flag.h"

#include <cstdint>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace hiif {

absl::StatusOr<Region> ParseCrop(absl::string_view text) {
  std::vector<int64_t> numbers;
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    int64_t number = 0;
    numbers.push_back(absl::SimpleAtoi(word, &number) ? number : -1);
  }
  if (numbers.size() != 4 || numbers[0] < 0 || numbers[1] < 0 || numbers[2] < 1 || numbers[3] < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--crop: \"", text, "\" is not x,y,width,height in pixels of the input, e.g. 0,0,640,480"));
  }
  for (const int axis : {0, 1}) {
    if (numbers[axis] > kLargestSide || numbers[axis + 2] > kLargestSide - numbers[axis])
      return absl::InvalidArgumentError(absl::StrCat("--crop: \"", text, "\" reaches beyond ",
                                                     kLargestSide, " pixels, which no image has"));
  }
  return Region{numbers[0], numbers[1], numbers[2], numbers[3]};
}

absl::StatusOr<Region> ParseCrop(absl::string_view text, Grid size) {
  HIIF_ASSIGN_OR_RETURN(const Region crop, ParseCrop(text));
  if (crop.width > size.width || crop.x > size.width - crop.width || crop.height > size.height ||
      crop.y > size.height - crop.height) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--crop: \"", text, "\" is not inside the image of ", size.width, " x ", size.height));
  }
  return crop;
}

}  // namespace hiif
