// Samples from a cache of latent codes: any scale up to 4 of every record.
#ifndef TRAIN_CACHED_SAMPLER_H_
#define TRAIN_CACHED_SAMPLER_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "train/augment.h"
#include "train/latent_cache.h"
#include "train/random.h"
#include "train/sample.h"

namespace hiif::train {

struct CachedSamplerOptions {
  uint64_t seed = 1;
  int64_t batch = 8;
  int64_t queries = 1024;
  double min_scale = 1.0;
  double max_scale = 4.0;
  double teacher_weight = 0.85;  // the rest is the photograph's, at the scales that it has
  // Low-resolution pixels at the edge of a patch that are not asked for: what the network says
  // there depends on what lay beyond.
  int64_t margin = 4;
  // Random flips and transposition. The samples bring no latent codes then.
  bool augment = false;
  // Part of the patches that are drawn at the scale of a teacher, one of those in [min_scale,
  // max_scale], in [0,1]. At all other scales its output is resized, which softens it.
  double whole_scales = 0.0;
  // Part of the patches that get other colours (train/recolour.h), in [0,1]. They bring no latent
  // codes.
  double recolour = 0.0;
};

// The colour of a query is what the teacher of the next larger scale says, made smaller by bicubic
// resizing, mixed with the photograph where the scale is one that it was made smaller from. Without
// a teacher's part, scales end there. Patterns have the colours of train/patterns.h.
class CachedSampler : public SampleSource {
 public:
  // InvalidArgument: options out of range, or a record that is not a pattern and has neither an
  // original nor a teacher.
  static absl::StatusOr<CachedSampler> Create(std::shared_ptr<const LatentCache> cache,
                                              const CachedSamplerOptions& options);
  Sample Draw(int64_t step, int64_t item) const override;
  int64_t batch() const override { return options_.batch; }

 private:
  CachedSampler(std::shared_ptr<const LatentCache> cache, const CachedSamplerOptions& options)
      : cache_(std::move(cache)), options_(options) {}
  std::vector<float> Wanted(const CacheRecord& record, int64_t side,
                            const Augmentation& turn) const;

  double DrawScale(Random& random, const CacheRecord& record) const;

  std::shared_ptr<const LatentCache> cache_;
  CachedSamplerOptions options_;
};

}  // namespace hiif::train

#endif  // TRAIN_CACHED_SAMPLER_H_
