#include "model/encoders/encoder.h"

#include <nlohmann/json.hpp>

namespace hiif {

bool EncoderConfig::operator==(const EncoderConfig& other) const {
  return encoder_ == other.encoder_ ||
         (encoder_->name() == other->name() && encoder_->sizes() == other->sizes());
}

int EncoderFeatures(const EncoderConfig& encoder) { return encoder->features(); }

std::string EncoderName(const EncoderConfig& encoder) { return encoder->name(); }

}  // namespace hiif
