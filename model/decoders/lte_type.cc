// LTE: sizes and parameters (docs/decoders.md).
#include "model/decoders/types.h"

namespace hiif {
namespace {

bool Recognise(const Safetensors& tensors) { return Contains(tensors, "coef.weight"); }

DecoderConfig Infer(const Safetensors& tensors) {
  return LteConfig{Dimension(tensors, "coef.weight", 0), HiddenOfMlp(tensors, "imnet")};
}

Json Write(const DecoderConfig& any) {
  const auto& c = std::get<LteConfig>(any);
  return {{"features", c.features}, {"hidden", c.hidden}, {"cell_limit", c.cell_limit}};
}

DecoderConfig Read(ObjectReader& reader) {
  LteConfig config{reader.Size("features", 2), reader.Sizes("hidden"),
                   reader.Size("cell_limit", 0)};
  if (config.features % 2 != 0) reader.Fail("has an odd number of features");
  return config;
}

void AddShapes(Shapes& shapes, const DecoderConfig& any, int features) {
  const auto& c = std::get<LteConfig>(any);
  AddConv(shapes, "coef", c.features, features, 3);
  AddConv(shapes, "freq", c.features, features, 3);
  shapes["phase.weight"] = {c.features / 2, 2};
  AddMlp(shapes, "imnet", c.features, c.hidden, 3);
}

DecoderWork Work(const DecoderConfig& any, int features) {
  const auto& c = std::get<LteConfig>(any);
  return {18.0 * features * c.features, 4 * MlpWork(c.features, c.hidden, 3)};
}

}  // namespace

extern const DecoderType kLteType;
const DecoderType kLteType = {
    "lte", "LTE", ConfigIndex<LteConfig>(), true, Recognise, Infer, Write, Read, AddShapes, Work};

}  // namespace hiif
