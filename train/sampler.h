// From packed photographs to what one training step sees (model.md 5).
#ifndef TRAIN_SAMPLER_H_
#define TRAIN_SAMPLER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/image.h"
#include "train/packed_dataset.h"
#include "train/random.h"
#include "train/sample.h"

namespace hiif::train {

struct SamplerOptions {
  uint64_t seed = 1;
  int64_t batch = 16;      // patches a step
  int64_t patch = 48;      // side of the low-resolution patch, pixels
  int64_t queries = 2304;  // high-resolution pixels of each patch, at most patch * patch
  double min_scale = 1.0;  // r is uniform in [min_scale, max_scale], one draw for each patch
  double max_scale = 4.0;
  bool augment = true;   // random flips and transposition
  bool degrade = false;  // blur, noise and JPEG on the low-resolution patch (train/degrade.h)
  double patterns = 0;   // part of the patches that are drawn instead (train/patterns.h)
  double recolour = 0;   // part of the patches that get other colours (train/recolour.h)
};

// Samples are a function of (seed, step, item) alone: the step is all the state there is. Every
// image is seen once before any is seen again. Any thread.
class Sampler : public SampleSource {
 public:
  // InvalidArgument: options out of range, or an image smaller than patch * min_scale. An image
  // smaller than patch * max_scale is used at the scales that it has pixels for.
  static absl::StatusOr<Sampler> Create(std::shared_ptr<const PackedDataset> dataset,
                                        const SamplerOptions& options);

  Sample Draw(int64_t step, int64_t item) const override;
  int64_t batch() const override { return options_.batch; }

 private:
  Sampler(std::shared_ptr<const PackedDataset> dataset, const SamplerOptions& options)
      : dataset_(std::move(dataset)), options_(options) {}
  // A crop of the photograph of this step and item, and the patch made of it.
  void DrawPhotograph(int64_t step, int64_t item, Random& random, RgbImage& crop,
                      RgbImage& patch) const;

  std::shared_ptr<const PackedDataset> dataset_;
  SamplerOptions options_;
};

}  // namespace hiif::train

#endif  // TRAIN_SAMPLER_H_
