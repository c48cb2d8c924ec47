#include "model/config.h"

#include <nlohmann/json.hpp>

#include "model/decoders/decoder.h"
#include "model/encoders/encoder.h"

namespace hiif {

bool EncoderConfig::operator==(const EncoderConfig& other) const {
  return encoder_ == other.encoder_ ||
         (encoder_->name() == other->name() && encoder_->sizes() == other->sizes());
}

bool DecoderConfig::operator==(const DecoderConfig& other) const {
  return decoder_ == other.decoder_ ||
         (decoder_->name() == other->name() && decoder_->sizes() == other->sizes());
}

const HiifConfig* DecoderConfig::hiif() const { return decoder_->hiif(); }
const LiifConfig* DecoderConfig::liif() const { return decoder_->liif(); }

int EncoderFeatures(const EncoderConfig& encoder) { return encoder->features(); }

std::string EncoderName(const EncoderConfig& encoder) { return encoder->name(); }

int AttentionBlocks(const HiifConfig& config) {
  return config.ablation == Ablation::kNoAttention ? 0 : config.attention_blocks;
}

std::string DecoderName(const DecoderConfig& decoder) { return decoder->name(); }

std::string CoordinateModeName(CoordinateMode mode) {
  return mode == CoordinateMode::kExact ? "exact" : "reference";
}

}  // namespace hiif
