#include "model/decoders/decoder.h"

#include <nlohmann/json.hpp>

namespace hiif {

bool DecoderConfig::operator==(const DecoderConfig& other) const {
  return decoder_ == other.decoder_ ||
         (decoder_->name() == other->name() && decoder_->sizes() == other->sizes());
}

const HiifConfig* DecoderConfig::hiif() const { return decoder_->hiif(); }
const LiifConfig* DecoderConfig::liif() const { return decoder_->liif(); }

std::string DecoderName(const DecoderConfig& decoder) { return decoder->name(); }

}  // namespace hiif
