// RRDBNet, the network of ESRGAN (Wang et al., ECCVW 2018) by which Real-ESRGAN (Wang et al., ICCVW
// 2021) makes sharp pictures of bad ones: by 4. A teacher; not served.
#ifndef TRAIN_RRDBNET_H_
#define TRAIN_RRDBNET_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "model/format/safetensors.h"
#include "model/layers/layers.h"

namespace hiif::train {

class RrdbNet {
 public:
  static constexpr int64_t kScale = 4;

  // Decoder "rrdbnet", with the released names (conv_first, body.0.rdb1.conv1, ... conv_last); a
  // file of scripts/get-realesrgan. InvalidArgument: a tensor missing or of another shape.
  static absl::StatusOr<RrdbNet> Create(const Safetensors& file);

  // (N,3,h,w) in [-1,1] to (N,3,4h,4w) in [0,1].
  at::Tensor Enlarge(const at::Tensor& image) const;

 private:
  RrdbNet() = default;
  Parameters parameters_;
  int64_t blocks_ = 0;
};

}  // namespace hiif::train

#endif  // TRAIN_RRDBNET_H_
