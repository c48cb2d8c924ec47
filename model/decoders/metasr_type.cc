// MetaSR: sizes and parameters (docs/decoders.md).
#include "model/decoders/types.h"

namespace hiif {
namespace {

bool Recognise(const Safetensors& tensors) {
  return Dimension(tensors, "imnet.layers.0.weight", 1) == 3 &&
         Count(tensors, "imnet.layers.") == 3;
}

DecoderConfig Infer(const Safetensors& tensors) {
  return MetaSrConfig{Dimension(tensors, "imnet.layers.0.weight", 0)};
}

Json Write(const DecoderConfig& any) { return {{"hidden", std::get<MetaSrConfig>(any).hidden}}; }

DecoderConfig Read(ObjectReader& reader) { return MetaSrConfig{reader.Size("hidden", 1)}; }

void AddShapes(Shapes& shapes, const DecoderConfig& any, int features) {
  AddMlp(shapes, "imnet", 3, {std::get<MetaSrConfig>(any).hidden}, int64_t{27} * features);
}

DecoderWork Work(const DecoderConfig& any, int features) {
  const double outputs = 27.0 * features;  // the predicted filter, and its application
  return {0, MlpWork(3, {std::get<MetaSrConfig>(any).hidden}, outputs) + outputs};
}

}  // namespace

extern const DecoderType kMetaSrType;
const DecoderType kMetaSrType = {
    "metasr",  "MetaSR", ConfigIndex<MetaSrConfig>(), false, Recognise, Infer, Write, Read,
    AddShapes, Work};

}  // namespace hiif
