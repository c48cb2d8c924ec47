// Internal to model/engine: what the engines on LibTorch share.
#ifndef MODEL_ENGINE_TENSORS_H_
#define MODEL_ENGINE_TENSORS_H_

#include <ATen/ATen.h>

#include "model/checkpoint/checkpoint.h"
#include "model/network.h"
#include "model/upscaler/plan.h"

namespace hiif {

// Part of an image, (1,3,h,w) float32, as the network sees it; in channels-last order. May view the
// image.
at::Tensor NormalisedImage(const RgbImage& image, const Region& region,
                           const Normalisation& normalisation);

// Latent codes of a block of an image, (block height, block width, C_e): encoded with its halo, as
// `type` on `device`, where the parameters are, by at most `threads` threads of LibTorch (one where
// the encoder asks for it).
at::Tensor EncodePlanned(const Network& network, const at::Device& device, at::ScalarType type,
                         const RgbImage& image, const EncodingPlan& plan, int block, int threads,
                         const Heartbeat& beat);

// LibTorch's threads for what the calling thread does in this scope.
class ScopedThreads {
 public:
  explicit ScopedThreads(int threads);
  ~ScopedThreads();
  ScopedThreads(const ScopedThreads&) = delete;
  ScopedThreads& operator=(const ScopedThreads&) = delete;

 private:
  const int before_;
};

// Bytes of the parameters.
int64_t ParameterBytes(const Parameters& parameters);

}  // namespace hiif

#endif  // MODEL_ENGINE_TENSORS_H_
