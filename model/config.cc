#include "model/config.h"

#include <nlohmann/json.hpp>

#include "model/encoders/encoder.h"

namespace hiif {

bool EncoderConfig::operator==(const EncoderConfig& other) const {
  return encoder_ == other.encoder_ ||
         (encoder_->name() == other->name() && encoder_->sizes() == other->sizes());
}

int EncoderFeatures(const EncoderConfig& encoder) { return encoder->features(); }

std::string EncoderName(const EncoderConfig& encoder) { return encoder->name(); }

int AttentionBlocks(const HiifConfig& config) {
  return config.ablation == Ablation::kNoAttention ? 0 : config.attention_blocks;
}

std::string DecoderName(const DecoderConfig& decoder) {
  return std::holds_alternative<HiifConfig>(decoder) ? "hiif" : "liif";
}

std::string CoordinateModeName(CoordinateMode mode) {
  return mode == CoordinateMode::kExact ? "exact" : "reference";
}

}  // namespace hiif
