#include "model/config.h"

namespace hiif {

int EncoderFeatures(const EncoderConfig& encoder) {
  if (const auto* edsr = std::get_if<EdsrConfig>(&encoder)) return edsr->features;
  if (const auto* rdn = std::get_if<RdnConfig>(&encoder)) return rdn->base_features;
  if (const auto* swinir = std::get_if<SwinIrConfig>(&encoder)) return swinir->output_features;
  return std::get<DatConfig>(encoder).embed_dim;
}

std::string EncoderName(const EncoderConfig& encoder) {
  if (std::holds_alternative<EdsrConfig>(encoder)) return "edsr-baseline";
  if (std::holds_alternative<RdnConfig>(encoder)) return "rdn";
  return std::holds_alternative<SwinIrConfig>(encoder) ? "swinir" : "dat";
}

std::string DecoderName(const DecoderConfig& decoder) {
  return std::holds_alternative<HiifConfig>(decoder) ? "hiif" : "liif";
}

std::string CoordinateModeName(CoordinateMode mode) {
  return mode == CoordinateMode::kExact ? "exact" : "reference";
}

}  // namespace hiif
