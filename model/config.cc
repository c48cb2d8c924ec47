#include "model/config.h"

#include "model/decoders/types.h"

namespace hiif {

bool IsFilter(const DecoderConfig& decoder) {
  return std::holds_alternative<BicubicConfig>(decoder) ||
         std::holds_alternative<LanczosConfig>(decoder);
}

int EncoderFeatures(const EncoderConfig& encoder) {
  if (const auto* edsr = std::get_if<EdsrConfig>(&encoder)) return edsr->features;
  if (const auto* rdn = std::get_if<RdnConfig>(&encoder)) return rdn->base_features;
  if (const auto* dat = std::get_if<DatConfig>(&encoder)) return dat->embed_dim;
  if (std::holds_alternative<NoEncoderConfig>(encoder)) return 3;
  const auto& swinir = std::get<SwinIrConfig>(encoder);
  return swinir.output_features > 0 ? swinir.output_features : swinir.embed_dim;
}

std::string EncoderName(const EncoderConfig& encoder) {
  if (std::holds_alternative<EdsrConfig>(encoder)) return "edsr-baseline";
  if (std::holds_alternative<NoEncoderConfig>(encoder)) return "none";
  if (std::holds_alternative<RdnConfig>(encoder)) return "rdn";
  return std::holds_alternative<SwinIrConfig>(encoder) ? "swinir" : "dat";
}

std::string DecoderName(const DecoderConfig& decoder) { return TypeOf(decoder).name; }

std::string CoordinateModeName(CoordinateMode mode) {
  return mode == CoordinateMode::kExact ? "exact" : "reference";
}

}  // namespace hiif
