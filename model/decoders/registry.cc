#include "model/decoders/decoder.h"

namespace hiif {
namespace {

// The decoders there are: one line each. LIIF's tensors are a part of MetaSR's names, so it comes
// behind.
std::vector<DecoderKind>& Kinds() {
  static auto* const kKinds = new std::vector<DecoderKind>{
      HiifKind(),   LteKind(),  ClitKind(),    CiaoSrKind(),  SrnoKind(),
      MetaSrKind(), LiifKind(), BicubicKind(), LanczosKind(),
  };
  return *kKinds;
}

}  // namespace

const std::vector<DecoderKind>& DecoderKinds() { return Kinds(); }

void RegisterDecoder(DecoderKind kind) { Kinds().push_back(std::move(kind)); }

}  // namespace hiif
