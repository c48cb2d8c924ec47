// What one training step sees (model.md 5), and where it comes from.
#ifndef TRAIN_SAMPLE_H_
#define TRAIN_SAMPLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace hiif::train {

// One low-resolution patch and the pixels of its high-resolution side that are asked for.
struct Sample {
  int64_t side = 0;              // of the square high-resolution crop: round(patch * r)
  std::vector<uint8_t> patch;    // patch * patch * 3
  std::vector<int32_t> rows;     // queries values in [0, side)
  std::vector<int32_t> columns;  // likewise
  std::vector<float> colours;    // queries * 3, levels in [0,255]
  // `colours` is what is wanted, whatever a teacher says.
  bool final_colours = false;
  // Channels * patch * patch latent codes of the patch, where they are known; in mapped memory.
  absl::Span<const float> latents;
};

// Samples are a function of (step, item) alone: the step is all the state there is. Any thread.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  // Patch `item` in [0, batch()) of step `step` >= 0.
  virtual Sample Draw(int64_t step, int64_t item) const = 0;
  virtual int64_t batch() const = 0;
};

}  // namespace hiif::train

#endif  // TRAIN_SAMPLE_H_
