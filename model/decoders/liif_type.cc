// LIIF: sizes and parameters (model.md 3).
#include "model/decoders/types.h"

namespace hiif {
namespace {

bool Recognise(const Safetensors& tensors) { return Contains(tensors, "imnet.layers.0.weight"); }

DecoderConfig Infer(const Safetensors& tensors) {
  return LiifConfig{HiddenOfMlp(tensors, "imnet")};
}

Json Write(const DecoderConfig& any) { return {{"hidden", std::get<LiifConfig>(any).hidden}}; }

DecoderConfig Read(ObjectReader& reader) { return LiifConfig{reader.Sizes("hidden")}; }

void AddShapes(Shapes& shapes, const DecoderConfig& any, int features) {
  AddMlp(shapes, "imnet", features * 9 + 4, std::get<LiifConfig>(any).hidden, 3);
}

DecoderWork Work(const DecoderConfig& any, int features) {
  return {0, 4 * MlpWork(features * 9 + 4, std::get<LiifConfig>(any).hidden, 3)};
}

}  // namespace

extern const DecoderType kLiifType;
const DecoderType kLiifType = {
    "liif",    "LIIF", ConfigIndex<LiifConfig>(), false, Recognise, Infer, Write, Read,
    AddShapes, Work};

}  // namespace hiif
