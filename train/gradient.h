// Loss and gradient of one step. The batch is cut into shards; each is one forward and backward
// pass on one thread, and the gradients are added in the order of the shards. So the result does
// not depend on the number of threads, and threads meet once a step instead of in every operation,
// which matters where other programs use the cores too.
#ifndef TRAIN_GRADIENT_H_
#define TRAIN_GRADIENT_H_

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "model/checkpoint/network.h"
#include "train/batch.h"
#include "train/sample.h"

namespace hiif::train {

// Whose output is mixed into the target, target + weight * (output - target), or whose latent codes
// are the target of the encoder.
struct Teacher {
  Network network;
  double weight = 0;
  bool of_features = false;
  // Its encoder is that of the network that learns, which is frozen: latent codes are shared.
  bool shares_encoder = false;
};

struct GradientOptions {
  const Teacher* teacher = nullptr;
  int64_t shards = 1;
  int threads = 1;        // on a CPU; 1 is used on a GPU
  bool bfloat16 = false;  // autocast
  bool squares = false;   // mean square of the differences instead of their mean size
  // The samples' latent codes are those of the network's encoder.
  bool latents_given = false;
  at::Device device = at::kCPU;
};

struct Gradient {
  // Mean |difference to the target|, or its square, of colours in [-1,1] or of latent codes.
  double loss = 0;
  std::vector<at::Tensor> gradient;  // in the order of the names given
};

// A part of a step's samples, as the networks want them.
struct Shard {
  Batch batch;
  Batch teacher;  // for the teacher's decoder; of nothing without one
};

// Cuts samples of `patch` x `patch` pixels, a multiple of options.shards, for a network of
// `config`. On the host; for a GPU in pinned memory. Any thread.
std::vector<Shard> MakeShards(absl::Span<const Sample> samples, int64_t patch,
                              const ModelConfig& config, const GradientOptions& options);

// Differentiates by the parameters called `names`, which must be leaves that require gradients;
// what lies only behind others (a frozen encoder) is computed without a graph.
//
// A shard is computed with as many threads as at::get_num_threads() says: 1 where there are several
// shards. May throw c10::Error (out of memory).
Gradient ComputeGradient(const Network& network, const std::vector<std::string>& names,
                         absl::Span<const Shard> shards, const GradientOptions& options);

}  // namespace hiif::train

#endif  // TRAIN_GRADIENT_H_
