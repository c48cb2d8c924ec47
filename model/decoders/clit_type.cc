// CLIT: sizes and parameters (docs/decoders.md).
#include "model/decoders/types.h"

namespace hiif {
namespace {

// 4^8 is more than any grid; keys a side at most 15.
constexpr int kMaxStages = 8;
constexpr int kMaxRadius = 7;

int Keys(const ClitConfig& c) { return (2 * c.radius + 1) * (2 * c.radius + 1); }

bool Recognise(const Safetensors& tensors) { return Contains(tensors, "conv_ch.weight"); }

DecoderConfig Infer(const Safetensors& tensors) {
  ClitConfig config;
  config.features = Dimension(tensors, "conv_ch.weight", 0);
  config.heads = Dimension(tensors, "pb_encoder.proj.weight", 0);
  config.stages = Count(tensors, "imnets.");
  config.hidden = HiddenOfMlp(tensors, "imnets.0");
  const int inputs = Dimension(tensors, "imnets.0.layers.0.weight", 1) - 2;
  if (config.features > 0 && inputs > 0) {
    config.radius = (IntegerRoot(inputs / config.features) - 1) / 2;
  }
  return config;
}

Json Write(const DecoderConfig& any) {
  const auto& c = std::get<ClitConfig>(any);
  return {{"features", c.features}, {"heads", c.heads},   {"radius", c.radius},
          {"stages", c.stages},     {"hidden", c.hidden}, {"exponent_range", c.exponent_range}};
}

DecoderConfig Read(ObjectReader& reader) {
  ClitConfig config{reader.Size("features", 1), reader.Size("heads", 1),
                    reader.Size("radius", 0),   reader.Size("stages", 1),
                    reader.Sizes("hidden"),     reader.Size("exponent_range", 1)};
  if (config.features % config.heads != 0) {
    reader.Fail("has a number of features that its heads do not divide");
  }
  if (config.radius > kMaxRadius) reader.Fail(absl::StrCat("has a radius above ", kMaxRadius));
  if (config.stages > kMaxStages)
    reader.Fail(absl::StrCat("has more than ", kMaxStages, " stages"));
  if (config.exponent_range != 10) reader.Fail("has an exponent_range that is not 10");
  return config;
}

void AddShapes(Shapes& shapes, const DecoderConfig& any, int features) {
  const auto& c = std::get<ClitConfig>(any);
  AddConv(shapes, "conv_ch", c.features, features, 3);
  shapes["pb_encoder.proj.weight"] = {c.heads, 64};
  shapes["pb_encoder.proj.bias"] = {c.heads};
  for (int t = 0; t < c.stages; ++t) {
    for (const char* name : {"conv_qs.", "conv_ks.", "conv_vs."}) {
      AddConv(shapes, absl::StrCat(name, t), c.features, c.features, 3);
    }
    AddMlp(shapes, absl::StrCat("imnets.", t), int64_t{Keys(c)} * c.features + 2, c.hidden, 3);
  }
}

DecoderWork Work(const DecoderConfig& any, int features) {
  const auto& c = std::get<ClitConfig>(any);
  const double keys = Keys(c);
  const double per_stage =
      keys * c.features + keys * 64 * c.heads + MlpWork(keys * c.features + 2, c.hidden, 3);
  return {9.0 * features * c.features + 27.0 * c.features * c.features, per_stage};
}

}  // namespace

extern const DecoderType kClitType;
const DecoderType kClitType = {
    "clit",    "CLIT", ConfigIndex<ClitConfig>(), true, Recognise, Infer, Write, Read,
    AddShapes, Work};

}  // namespace hiif
