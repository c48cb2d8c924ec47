// EDSR-baseline and RDN, and the choice among the encoders.
#include "absl/strings/str_cat.h"
#include "model/network.h"

namespace hiif {

at::Tensor EncodeImage(const Network& network, const at::Tensor& image) {
  const Scope scope(network.parameters, "encoder.");
  if (const auto* edsr = std::get_if<EdsrConfig>(&network.config.encoder)) {
    return EncodeEdsr(*edsr, scope, image);
  }
  if (const auto* rdn = std::get_if<RdnConfig>(&network.config.encoder)) {
    return EncodeRdn(*rdn, scope, image);
  }
  if (const auto* dat = std::get_if<DatConfig>(&network.config.encoder)) {
    return EncodeDat(*dat, scope, image);
  }
  if (std::holds_alternative<NoEncoderConfig>(network.config.encoder)) return image;
  const auto& swinir = std::get<SwinIrConfig>(network.config.encoder);
  const auto up = [&](int64_t n) {
    return (n + swinir.window - 1) / swinir.window * swinir.window;
  };
  const int64_t height = image.size(2);
  const int64_t width = image.size(3);
  const at::Tensor padded = swinir.output_features > 0 ? PadSymmetric(image, up(height), up(width))
                                                       : PadReflect(image, up(height), up(width));
  return EncodeSwinIr(swinir, scope, padded).slice(2, 0, height).slice(3, 0, width);
}

at::Tensor EncodeEdsr(const EdsrConfig& config, const Scope& scope, const at::Tensor& image) {
  const at::Tensor head = Conv(image, scope.Below("head.0"));
  // What blocks add to keeps its precision.
  at::Tensor x = head.to(image.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  for (int i = 0; i < config.blocks; ++i) {
    const Scope block = scope.Below(absl::StrCat("body.", i, ".body"));
    x = AddTo(x, Conv(Conv(x, block.Below("0")).relu_(), block.Below("2")));
  }
  return Conv(x, scope.Below(absl::StrCat("body.", config.blocks))) + head;
}

at::Tensor EncodeRdn(const RdnConfig& config, const Scope& scope, const at::Tensor& image) {
  const at::Tensor first = Conv(image, scope.Below("SFENet1"));
  at::Tensor x = Conv(first, scope.Below("SFENet2")).to(image.scalar_type());
  std::vector<at::Tensor> blocks;
  for (int i = 0; i < config.blocks; ++i) {
    const Scope block = scope.Below(absl::StrCat("RDBs.", i));
    at::Tensor dense = x;
    for (int layer = 0; layer < config.layers_per_block; ++layer) {
      const at::Tensor grown =
          Conv(dense, block.Below(absl::StrCat("convs.", layer, ".conv.0"))).relu_();
      dense = at::cat({dense, grown}, 1);
    }
    x = Conv(dense, block.Below("LFF")) + x;
    blocks.push_back(x);
  }
  const Scope fusion = scope.Below("GFF");
  return Conv(Conv(at::cat(blocks, 1), fusion.Below("0")), fusion.Below("1")) + first;
}

}  // namespace hiif
