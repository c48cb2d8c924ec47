// Bicubic and Lanczos: nothing to configure, no parameters.
#include "model/decoders/types.h"

namespace hiif {
namespace {

bool Never(const Safetensors&) { return false; }
template <class Config>
DecoderConfig Infer(const Safetensors&) {
  return Config{};
}
Json Write(const DecoderConfig&) { return Json::object(); }
template <class Config>
DecoderConfig Read(ObjectReader&) {
  return Config{};
}
void AddShapes(Shapes&, const DecoderConfig&, int) {}
template <int kSide>
DecoderWork Work(const DecoderConfig&, int) {
  return {0, 3.0 * kSide * kSide};
}

}  // namespace

extern const DecoderType kBicubicType;
const DecoderType kBicubicType = {"bicubic",
                                  "bicubic",
                                  ConfigIndex<BicubicConfig>(),
                                  false,
                                  Never,
                                  Infer<BicubicConfig>,
                                  Write,
                                  Read<BicubicConfig>,
                                  AddShapes,
                                  Work<4>};
extern const DecoderType kLanczosType;
const DecoderType kLanczosType = {"lanczos",
                                  "Lanczos",
                                  ConfigIndex<LanczosConfig>(),
                                  false,
                                  Never,
                                  Infer<LanczosConfig>,
                                  Write,
                                  Read<LanczosConfig>,
                                  AddShapes,
                                  Work<6>};

}  // namespace hiif
