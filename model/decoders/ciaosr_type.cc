// CiaoSR: sizes and parameters (docs/decoders.md).
#include "model/decoders/types.h"

namespace hiif {
namespace {

bool Recognise(const Safetensors& tensors) { return Contains(tensors, "imnet_k.layers.0.weight"); }

DecoderConfig Infer(const Safetensors& tensors) {
  return CiaoSrConfig{HiddenOfMlp(tensors, "imnet_k"), HiddenOfMlp(tensors, "imnet_v"),
                      HiddenOfMlp(tensors, "imnet_q"), Contains(tensors, "cs_attn.down.weight")};
}

Json Write(const DecoderConfig& any) {
  const auto& c = std::get<CiaoSrConfig>(any);
  return {{"hidden_key", c.hidden_key},
          {"hidden_value", c.hidden_value},
          {"hidden_query", c.hidden_query},
          {"non_local", c.non_local}};
}

DecoderConfig Read(ObjectReader& reader) {
  return CiaoSrConfig{reader.Sizes("hidden_key"), reader.Sizes("hidden_value"),
                      reader.Sizes("hidden_query"), reader.Flag("non_local")};
}

int64_t ValueChannels(const CiaoSrConfig& c, int features) {
  return (c.non_local ? int64_t{10} : int64_t{9}) * features;
}

void AddShapes(Shapes& shapes, const DecoderConfig& any, int features) {
  const auto& c = std::get<CiaoSrConfig>(any);
  const int64_t key = int64_t{9} * features;
  const int64_t value = ValueChannels(c, features);
  AddMlp(shapes, "imnet_k", key + 4, c.hidden_key, key);
  AddMlp(shapes, "imnet_v", value + 4, c.hidden_value, value);
  AddMlp(shapes, "imnet_q", value, c.hidden_query, 3);
  if (!c.non_local) return;
  AddConv(shapes, "cs_attn.conv_match_1.0", features / 2, features, 1);
  AddConv(shapes, "cs_attn.conv_match_2.0", features / 2, features, 1);
  AddConv(shapes, "cs_attn.conv_assembly.0", features, features, 1);
  for (const char* name : {"conv_match_1", "conv_match_2", "conv_assembly"}) {
    shapes[absl::StrCat("cs_attn.", name, ".1.weight")] = {1};  // slope of a PReLU
  }
  AddConv(shapes, "cs_attn.down", features, features, 3);
}

DecoderWork Work(const DecoderConfig& any, int features) {
  const auto& c = std::get<CiaoSrConfig>(any);
  const double key = 9.0 * features;
  const auto value = static_cast<double>(ValueChannels(c, features));
  DecoderWork work;
  // Keys and values at four neighbours, their products and sums.
  work.per_output_pixel = 4 * (MlpWork(key + 4, c.hidden_key, key) + 2 * key +
                               MlpWork(value + 4, c.hidden_value, value) + 2 * value) +
                          MlpWork(value, c.hidden_query, 3);
  // What grows with the image, 40.5 C products with each of its pixels' quarter, is not in it.
  if (c.non_local) work.per_input_pixel = 10.625 * features * features;
  return work;
}

}  // namespace

extern const DecoderType kCiaoSrType;
const DecoderType kCiaoSrType = {
    "ciaosr",  "CiaoSR", ConfigIndex<CiaoSrConfig>(), true, Recognise, Infer, Write, Read,
    AddShapes, Work};

}  // namespace hiif
