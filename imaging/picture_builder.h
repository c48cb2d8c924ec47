// Puts rows of samples together to a Picture. Internal to imaging.
#ifndef IMAGING_PICTURE_BUILDER_H_
#define IMAGING_PICTURE_BUILDER_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "imaging/picture.h"

namespace hiif {

// Floats outside [0,1], and NaN (as 0), are clipped or else InvalidArgument.
absl::Status ToUnitRange(bool clip, absl::Span<float> values);

class PictureBuilder {
 public:
  struct Options {
    Grid stored;       // size of the rows given
    int channels = 3;  // 1 grey, 2 grey+alpha, 3 RGB, 4 RGB+alpha
    SampleType type = SampleType::kU8;
    int orientation = 1;  // EXIF, applied
    bool linear = false;  // samples are linear light
    bool clip = false;    // floats outside [0,1] are clipped instead of refused
  };
  explicit PictureBuilder(const Options& options);

  // The next `count` rows, from the top; floats are clipped in place. Errors of ToUnitRange().
  absl::Status AddRows(void* rows, int64_t count);
  // After the last row.
  Picture Finish();

 private:
  template <typename T>
  void Add(const T* rows, int64_t count);
  template <typename T>
  void PlaceColour(const T* rows, int64_t count);

  Options options_;
  int64_t next_ = 0;  // row
  // Pixel (x, y) of the rows goes to pixel origin_ + x * step_x_ + y * step_y_.
  int64_t origin_ = 0;
  int64_t step_x_ = 1;
  int64_t step_y_ = 0;
  std::shared_ptr<RgbImage> colour_;
  Picture picture_;
};

}  // namespace hiif

#endif  // IMAGING_PICTURE_BUILDER_H_
