#include "model/config.h"

namespace hiif {

int EncoderFeatures(const EncoderConfig& encoder) {
  if (const auto* edsr = std::get_if<EdsrConfig>(&encoder)) return edsr->features;
  if (const auto* rdn = std::get_if<RdnConfig>(&encoder)) return rdn->base_features;
  return std::get<SwinIrConfig>(encoder).output_features;
}

std::string EncoderName(const EncoderConfig& encoder) {
  if (std::holds_alternative<EdsrConfig>(encoder)) return "edsr-baseline";
  return std::holds_alternative<RdnConfig>(encoder) ? "rdn" : "swinir";
}

std::string DecoderName(const DecoderConfig& decoder) {
  return std::holds_alternative<HiifConfig>(decoder) ? "hiif" : "liif";
}

std::string CoordinateModeName(CoordinateMode mode) {
  return mode == CoordinateMode::kExact ? "exact" : "reference";
}

}  // namespace hiif
