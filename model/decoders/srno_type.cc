// SRNO: sizes and parameters (docs/decoders.md).
#include "model/decoders/types.h"

namespace hiif {
namespace {

bool Recognise(const Safetensors& tensors) { return Contains(tensors, "conv00.weight"); }

DecoderConfig Infer(const Safetensors& tensors) {
  SrnoConfig config;
  config.width = Dimension(tensors, "conv00.weight", 0);
  config.heads = Dimension(tensors, "conv0.kln.weight", 0);
  config.hidden = Dimension(tensors, "fc1.weight", 0);
  config.blocks = 0;
  while (Contains(tensors, absl::StrCat("conv", config.blocks, ".kln.weight"))) ++config.blocks;
  return config;
}

Json Write(const DecoderConfig& any) {
  const auto& c = std::get<SrnoConfig>(any);
  return {{"width", c.width},
          {"heads", c.heads},
          {"blocks", c.blocks},
          {"hidden", c.hidden},
          {"cell_limit", c.cell_limit}};
}

DecoderConfig Read(ObjectReader& reader) {
  SrnoConfig config{reader.Size("width", 2), reader.Size("heads", 1), reader.Size("blocks", 1),
                    reader.Size("hidden", 1), reader.Size("cell_limit", 0)};
  if (config.width % config.heads != 0) reader.Fail("has a width that its heads do not divide");
  if (config.width / config.heads < 2) reader.Fail("has heads of width 1");
  if (config.blocks > 64) reader.Fail("has more than 64 blocks");
  return config;
}

void AddShapes(Shapes& shapes, const DecoderConfig& any, int features) {
  const auto& c = std::get<SrnoConfig>(any);
  AddConv(shapes, "conv00", c.width, int64_t{4} * features + 10, 1);
  for (int block = 0; block < c.blocks; ++block) {
    const std::string prefix = absl::StrCat("conv", block);
    AddConv(shapes, prefix + ".qkv_proj", int64_t{3} * c.width, c.width, 1);
    for (const char* norm : {".kln", ".vln"}) {
      shapes[absl::StrCat(prefix, norm, ".weight")] = {c.heads, 1, c.width / c.heads};
      shapes[absl::StrCat(prefix, norm, ".bias")] = {c.heads, 1, c.width / c.heads};
    }
    AddConv(shapes, prefix + ".o_proj1", c.width, c.width, 1);
    AddConv(shapes, prefix + ".o_proj2", c.width, c.width, 1);
  }
  AddConv(shapes, "fc1", c.hidden, c.width, 1);
  AddConv(shapes, "fc2", 3, c.hidden, 1);
}

DecoderWork Work(const DecoderConfig& any, int features) {
  const auto& c = std::get<SrnoConfig>(any);
  const double width = c.width;
  return {0, width * (4.0 * features + 10) +
                 c.blocks * (5 * width * width + 2 * width * width / c.heads) +
                 MlpWork(width, {c.hidden}, 3)};
}

}  // namespace

extern const DecoderType kSrnoType;
const DecoderType kSrnoType = {
    "srno",    "SRNO", ConfigIndex<SrnoConfig>(), true, Recognise, Infer, Write, Read,
    AddShapes, Work};

}  // namespace hiif
