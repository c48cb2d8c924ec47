#include "model/encoders/encoder.h"

namespace hiif {
namespace {

// The encoders there are: one line each.
std::vector<EncoderKind>& Kinds() {
  static auto* const kKinds = new std::vector<EncoderKind>{
      EdsrKind(), RdnKind(), SwinIrKind(), DatKind(), NoneKind(),
  };
  return *kKinds;
}

}  // namespace

const std::vector<EncoderKind>& EncoderKinds() { return Kinds(); }

void RegisterEncoder(EncoderKind kind) { Kinds().push_back(std::move(kind)); }

}  // namespace hiif
