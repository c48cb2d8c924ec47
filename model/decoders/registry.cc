// From a network to its decoder on tensors: a line for each.
#include "model/decoders/tensor_decoder.h"

namespace hiif {

using Decoder = std::unique_ptr<const TensorDecoder>;
Decoder MakeDecoder(const MetaSrConfig& config, const Network& network);
Decoder MakeDecoder(const LteConfig& config, const Network& network);
Decoder MakeDecoder(const ClitConfig& config, const Network& network);
Decoder MakeDecoder(const CiaoSrConfig& config, const Network& network);
Decoder MakeDecoder(const SrnoConfig& config, const Network& network);
Decoder MakeDecoder(const BicubicConfig& config, const Network& network);
Decoder MakeDecoder(const LanczosConfig& config, const Network& network);

namespace {
// These decode batches of images: model/decoders/decoder.h.
Decoder MakeDecoder(const HiifConfig&, const Network&) { return nullptr; }
Decoder MakeDecoder(const LiifConfig&, const Network&) { return nullptr; }
}  // namespace

std::unique_ptr<const TensorDecoder> MakeTensorDecoder(const Network& network) {
  return std::visit([&](const auto& config) { return MakeDecoder(config, network); },
                    network.config.decoder);
}

}  // namespace hiif
