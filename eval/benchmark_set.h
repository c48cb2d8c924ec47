// Data sets of the super-resolution literature: pairs of low- and high-resolution images.
#ifndef EVAL_BENCHMARK_SET_H_
#define EVAL_BENCHMARK_SET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/image.h"

namespace hiif::eval {

// Vertical and horizontal factor.
struct EvalScale {
  double y = 2;
  double x = 2;
  bool uniform() const { return x == y; }
  // "2", "2.5", "2x3.1" (x by y).
  std::string ToString() const;
};

// The size of an image that is enlarged by it.
Grid Enlarged(Grid low, const EvalScale& scale);

// "2,3,2.5,2x3.1". InvalidArgument.
absl::StatusOr<std::vector<EvalScale>> ParseScales(const std::string& text);

struct Pair {
  std::string name;
  std::shared_ptr<const RgbImage> low;  // 8 bits
  RgbImage high;                        // cropped to the size that `low` enlarged has
};

// A folder, for one scale: either of image_SRF_N folders with *_LR.* and *_HR.* images (Set5, Set14
// as commonly distributed), or of high-resolution images. The supplied low-resolution images are
// used where there are some for the scale; else they are made: cropped to round(low * scale), half
// to even, low = floor(high / scale + 1e-9), and resized by Pillow's bicubic (model.md 6). Grey
// files are read as RGB.
class BenchmarkSet {
 public:
  // Lists the images. NotFound: there is none, or no folder; else the system's reason.
  static absl::StatusOr<BenchmarkSet> Open(const std::string& folder, const EvalScale& scale);
  const std::string& name() const { return name_; }  // of the folder
  const EvalScale& scale() const { return scale_; }
  int64_t images() const { return static_cast<int64_t>(originals_.size()); }  // at least 1
  // NotFound, InvalidArgument: name the file.
  absl::StatusOr<Pair> Load(int64_t index) const;

 private:
  std::string name_;
  EvalScale scale_;
  std::vector<std::string> originals_;  // paths
  std::string supplied_;                // folder of low-resolution images; empty: there is none
};

// One for each scale of each folder, in this order.
absl::StatusOr<std::vector<BenchmarkSet>> OpenSets(const std::vector<std::string>& folders,
                                                   const std::vector<EvalScale>& scales);

absl::StatusOr<RgbImage> ReadRgb(const std::string& path);

}  // namespace hiif::eval

#endif  // EVAL_BENCHMARK_SET_H_
