// Internal to TensorUpscaler: an image through the encoder, and what its decoder makes once per
// image.
#ifndef MODEL_UPSCALER_TENSOR_ENCODING_H_
#define MODEL_UPSCALER_TENSOR_ENCODING_H_

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "model/decoders/tensor_decoder.h"
#include "model/upscaler/encoder.h"
#include "model/upscaler/upscaler.h"

namespace hiif {

// What TensorUpscaler keeps of an image.
struct TensorFeatures : Features {
  int64_t height() const override { return image.size(2); }
  int64_t width() const override { return image.size(3); }
  int64_t bytes() const override { return pixels->bytes() + static_cast<int64_t>(image.nbytes()); }
  at::Tensor image;  // (1,3,h,w) normalised
  std::shared_ptr<const TensorDecoder::Pixels> pixels;
};

// Blocks of the encoder, which write latent codes of the whole image; behind them the parts of
// what the decoder makes once per image. A part needs all latent codes: it encodes what nobody has
// begun, and waits for what others have. So any order of blocks ends.
class TensorEncoding : public Encoding {
 public:
  // `config`, `encoder` and `decoder` outlive it.
  TensorEncoding(const ModelConfig& config, const LatentEncoder& encoder,
                 const TensorDecoder& decoder, std::shared_ptr<const RgbImage> image);

  int blocks() const override { return encoded_ + static_cast<int>(parts_.size()); }
  // Of a part: as many pixels as the encoder would take to do its work.
  int64_t BlockPixels(int block) const override;
  absl::Status EncodeBlock(int block, int threads) override;
  absl::StatusOr<std::shared_ptr<const Features>> Finish() override;

 private:
  enum class State : char { kFree, kTaken, kDone, kFailed };

  at::Tensor Latents() const { return latents_.permute({0, 3, 1, 2}); }
  // Nothing where another call has taken the block: that call tells how it went.
  absl::Status EncodeOnce(int block, int threads);
  bool AllDone() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool NoneTaken() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::Status AwaitLatents();

  const ModelConfig& config_;
  const LatentEncoder& encoder_;
  const TensorDecoder& decoder_;
  const std::shared_ptr<const RgbImage> image_;
  const EncodingPlan plan_;
  const int encoded_;              // blocks of the encoder
  std::vector<at::Tensor> parts_;  // each written by the thread that computes it
  const at::Tensor latents_;       // (1,h,w,C)
  absl::Mutex mutex_;
  std::vector<State> state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_TENSOR_ENCODING_H_
