// Latent codes of an image for the backends that do not judge: block by block with a halo, channels
// last.
#ifndef MODEL_UPSCALER_ENCODER_H_
#define MODEL_UPSCALER_ENCODER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/image.h"
#include "model/checkpoint/checkpoint.h"

namespace hiif {

// How an image is cut for encoding. The blocks follow from the image's size alone.
struct EncodingPlan {
  std::vector<Region> blocks;  // they cover the image and do not overlap
  int64_t halo = 0;            // pixels of context around a block
  // What Encoding::BlockPixels() says of an image of this size.
  int64_t BlockPixels(int block, int64_t height, int64_t width) const;
};
// A block and its halo, as far as the image goes.
Region WithHalo(const Region& block, int64_t halo, int64_t height, int64_t width);

// Convolutional encoders: blocks of about 384 x 384 with the receptive field as halo, which gives
// the features of the whole image up to rounding (1e-5 in float32). SwinIR attends across windows
// layer after layer, DAT across all pixels, so they take the image whole.
EncodingPlan PlanEncoding(const EncoderConfig& encoder, int64_t height, int64_t width);

// LibTorch's threads for what the calling thread encodes in this scope. One for SwinIR and
// DAT, whose matrix products round differently for other numbers of threads; a convolution's sums
// do not depend on it.
class ScopedEncoderThreads {
 public:
  ScopedEncoderThreads(const EncoderConfig& encoder, int threads);
  ~ScopedEncoderThreads();
  ScopedEncoderThreads(const ScopedEncoderThreads&) = delete;
  ScopedEncoderThreads& operator=(const ScopedEncoderThreads&) = delete;

 private:
  const int before_;
};

class LatentEncoder {
 public:
  virtual ~LatentEncoder() = default;
  // `bfloat16`: of the factors of products and convolutions; sums are float32.
  static absl::StatusOr<std::unique_ptr<LatentEncoder>> Create(const Checkpoint& checkpoint,
                                                               bool bfloat16);
  virtual int channels() const = 0;
  virtual int64_t weights_bytes() const = 0;
  // Writes the latent codes of `block` into `latents`, height x width x channels of the whole
  // image, with at most `threads` threads.
  virtual absl::Status Encode(const RgbImage& image, const Region& block, int64_t halo, int threads,
                              float* latents) const = 0;
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_ENCODER_H_
