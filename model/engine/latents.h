// Internal to model/engine: latent codes in host memory, and the encoder that writes them.
#ifndef MODEL_ENGINE_LATENTS_H_
#define MODEL_ENGINE_LATENTS_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint/checkpoint.h"
#include "model/engine/engine.h"

namespace hiif {

// Height x width x channels.
struct HostLatents : Engine::Latents {
  HostLatents(Grid size_in, int64_t channels_in)
      : size(size_in), channels(channels_in), values(size.height * size.width * channels) {}
  int64_t bytes() const override { return static_cast<int64_t>(values.size() * sizeof(float)); }
  Grid size;
  int64_t channels;
  std::vector<float> values;
};

// Encodes by LibTorch on the CPU.
class HostEncoder {
 public:
  virtual ~HostEncoder() = default;
  // `bfloat16`: of the factors of products and convolutions; sums are float32.
  static absl::StatusOr<std::unique_ptr<HostEncoder>> Create(const Checkpoint& checkpoint,
                                                             bool bfloat16);
  virtual int64_t weights_bytes() const = 0;
  virtual void Encode(const RgbImage& image, const EncodingPlan& plan, int block, int threads,
                      const Heartbeat& beat, HostLatents& latents) const = 0;
};

}  // namespace hiif

#endif  // MODEL_ENGINE_LATENTS_H_
