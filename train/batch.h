// Samples as tensors.
#ifndef TRAIN_BATCH_H_
#define TRAIN_BATCH_H_

#include <ATen/ATen.h>

#include <vector>

#include "absl/types/span.h"
#include "model/hiif/query_tensors.h"
#include "model/layers/axis_position.h"
#include "train/sample.h"

namespace hiif::train {

// N patches of p x p low-resolution pixels with Q queries each.
struct Batch {
  at::Tensor images;                            // (N,3,p,p), normalised to [-1,1]
  QueryTensors queries;                         // of the N patches, for HIIF and LIIF
  std::vector<std::vector<QueryPoint>> points;  // of each patch, for every other decoder
  at::Tensor target;   // (N,Q,3): normalised colour less the bilinear residual
  at::Tensor open;     // (N,1,1): 0 where the target is final, 1 where a teacher may move it
  at::Tensor latents;  // (N,C,p,p); undefined where the samples bring none
};

// `samples` all of patches of `patch` x `patch` pixels with the same number of queries. On the CPU.
Batch MakeBatch(absl::Span<const Sample> samples, int64_t patch, const ModelConfig& config);

// For a GPU: the same in pinned memory, from where copies need no wait; else the batch itself.
Batch Pinned(const Batch& batch, const at::Device& device);
// Does not wait for pinned memory.
Batch ToDevice(const Batch& batch, const at::Device& device);

}  // namespace hiif::train

#endif  // TRAIN_BATCH_H_
