// A network that enlarges by one whole number: an encoder of this project, a convolution and a
// pixel shuffle (Shi et al., CVPR 2016), as released light networks end. A teacher; not served.
#ifndef TRAIN_FIXED_SCALE_H_
#define TRAIN_FIXED_SCALE_H_

#include <ATen/ATen.h>

#include <string>

#include "absl/status/statusor.h"
#include "model/checkpoint/network.h"

namespace hiif::train {

class FixedScaleNetwork {
 public:
  // A file of scripts/get-dat: decoder "pixel-shuffle". NotFound, DataLoss; InvalidArgument:
  // another decoder, a tensor missing or of another shape.
  static absl::StatusOr<FixedScaleNetwork> Load(const std::string& path);

  int64_t scale() const { return scale_; }
  // Its config's decoder says nothing.
  const Network& network() const { return network_; }
  // Latent codes of an image (N,3,h,w) in [-1,1], as EncodeImage() gives them.
  at::Tensor Encode(const at::Tensor& image) const { return EncodeImage(network_, image); }
  // Latent codes to the enlarged image, (N,3,scale*h,scale*w) in [0,1].
  at::Tensor Decode(const at::Tensor& latents) const;

 private:
  FixedScaleNetwork() = default;
  Network network_;  // the encoder, and upsample.0
  int64_t scale_ = 0;
};

}  // namespace hiif::train

#endif  // TRAIN_FIXED_SCALE_H_
