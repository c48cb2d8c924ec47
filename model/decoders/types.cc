#include "model/decoders/types.h"

#include <algorithm>

namespace hiif {

extern const DecoderType kHiifType, kLiifType, kMetaSrType, kLteType, kClitType, kCiaoSrType,
    kSrnoType, kBicubicType, kLanczosType;

absl::Span<const DecoderType* const> DecoderTypes() {
  static constexpr const DecoderType* kTypes[] = {
      &kLteType,  &kClitType, &kCiaoSrType,  &kSrnoType,    &kMetaSrType,
      &kLiifType, &kHiifType, &kBicubicType, &kLanczosType,
  };
  return kTypes;
}

const DecoderType& TypeOf(const DecoderConfig& config) {
  const auto types = DecoderTypes();
  return **std::find_if(types.begin(), types.end(),
                        [&](const DecoderType* type) { return type->index == config.index(); });
}

const DecoderType* FindDecoderType(const std::string& name) {
  const auto types = DecoderTypes();
  const auto found = std::find_if(types.begin(), types.end(),
                                  [&](const DecoderType* type) { return type->name == name; });
  return found == types.end() ? nullptr : *found;
}

double MlpWork(double inputs, const std::vector<int>& hidden, double outputs) {
  double work = 0;
  for (const int width : hidden) {
    work += inputs * width;
    inputs = width;
  }
  return work + inputs * outputs;
}

}  // namespace hiif
