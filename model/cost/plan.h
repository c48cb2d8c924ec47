// How an image is cut for encoding: blocks with a halo of the encoder's receptive field, which
// gives the latent codes of the whole image up to rounding (1e-5 in float32). What looks at all of
// the image takes it whole.
#ifndef MODEL_COST_PLAN_H_
#define MODEL_COST_PLAN_H_

#include <vector>

#include "base/image.h"
#include "model/encoders/encoder.h"

namespace hiif {

// Follows from the encoder and the image's size alone.
struct EncodingPlan {
  Grid size;                   // of the image
  std::vector<Region> blocks;  // they cover the image and do not overlap
  int64_t halo = 0;            // pixels of context around a block

  // A block and its halo, as far as the image goes.
  Region Read(int block) const;
};

// Blocks are of about kBlockWork; where the halo of such a block would be most of it, larger.
inline constexpr double kBlockWork = 2.5e11;  // multiply-adds: a few seconds of a core
EncodingPlan PlanEncoding(const Encoder& encoder, Grid size);
EncodingPlan PlanWhole(Grid size);

}  // namespace hiif

#endif  // MODEL_COST_PLAN_H_
