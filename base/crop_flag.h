// The flag --crop x,y,width,height of the command lines, in pixels.
#ifndef BASE_CROP_FLAG_H_
#define BASE_CROP_FLAG_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/image.h"

namespace hiif {

// InvalidArgument where `text` is not four numbers, the first two not negative, the others
// positive, or reaches beyond 2^31 - 1, which no image does.
absl::StatusOr<Region> ParseCrop(absl::string_view text);
// Also where it is not inside an image of `size`.
absl::StatusOr<Region> ParseCrop(absl::string_view text, Grid size);

}  // namespace hiif

#endif  // BASE_CROP_FLAG_H_
