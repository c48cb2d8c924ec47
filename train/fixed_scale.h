// A network that enlarges by one whole number: an encoder of this project, a convolution and a
// pixel shuffle (Shi et al., CVPR 2016), as released light networks end, or an RRDBNet. A teacher;
// not served.
#ifndef TRAIN_FIXED_SCALE_H_
#define TRAIN_FIXED_SCALE_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "model/checkpoint/network.h"
#include "train/rrdbnet.h"

namespace hiif::train {

class FixedScaleNetwork {
 public:
  // A file of scripts/get-dat (decoder "pixel-shuffle") or of scripts/get-realesrgan ("rrdbnet").
  // NotFound, DataLoss; InvalidArgument: another decoder, a tensor missing or of another shape.
  static absl::StatusOr<FixedScaleNetwork> Load(const std::string& path);

  int64_t scale() const { return scale_; }
  // Digest of all its parameters, as EncoderDigest() has it where there is an encoder.
  const std::string& digest() const { return digest_; }
  // An image (N,3,h,w) in [-1,1] enlarged, (N,3,scale*h,scale*w) in [0,1].
  at::Tensor Enlarge(const at::Tensor& image) const;
  // The same from the latent codes of an encoder with this digest.
  at::Tensor Decode(const at::Tensor& latents) const;

 private:
  FixedScaleNetwork() = default;
  std::optional<RrdbNet> rrdbnet_;  // else
  Network network_;                 // the encoder, and upsample.0
  std::string digest_;
  int64_t scale_ = 0;
};

}  // namespace hiif::train

#endif  // TRAIN_FIXED_SCALE_H_
