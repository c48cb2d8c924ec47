// The decoders there are: their names, their sizes as metadata, the shapes of their parameters. No
// LibTorch; what they compute is model/decoders/tensor_decoder.h.
#ifndef MODEL_DECODERS_TYPES_H_
#define MODEL_DECODERS_TYPES_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "model/checkpoint/object_reader.h"
#include "model/checkpoint/safetensors.h"
#include "model/checkpoint/shapes.h"
#include "model/decoders/configs.h"

namespace hiif {

// Multiply-adds of the products as the network is written, context included.
struct DecoderWork {
  double per_input_pixel = 0;   // once per low-resolution pixel
  double per_output_pixel = 0;  // of one stage, where stages follow from the scale
};

// One decoder. A file model/decoders/NAME_type.cc defines one, and types.cc lists it.
struct DecoderType {
  const char* name;
  const char* title;  // as papers write it
  // The index of its configuration in DecoderConfig.
  size_t index;
  // Whether the bilinear enlargement of the image is added to what it computes.
  bool adds_residual;
  // Whether the tensors of a file are of this decoder, and then their sizes; for files that do not
  // say (fixtures, converted releases). The first type of the list that answers yes is taken.
  bool (*recognise)(const Safetensors& tensors);
  DecoderConfig (*infer)(const Safetensors& tensors);
  // To and from the metadata "decoder_config". The reader tells what is wrong.
  Json (*write)(const DecoderConfig& config);
  DecoderConfig (*read)(ObjectReader& reader);
  // Parameters, behind an encoder of `features` channels.
  void (*add_shapes)(Shapes& shapes, const DecoderConfig& config, int features);
  DecoderWork (*work)(const DecoderConfig& config, int features);
};

// In the order in which they are tried.
absl::Span<const DecoderType* const> DecoderTypes();
const DecoderType& TypeOf(const DecoderConfig& config);
// Null where there is none of this name.
const DecoderType* FindDecoderType(const std::string& name);

// The index of `Config` in DecoderConfig.
template <class Config, size_t I = 0>
constexpr size_t ConfigIndex() {
  if constexpr (std::is_same_v<std::variant_alternative_t<I, DecoderConfig>, Config>) {
    return I;
  } else {
    return ConfigIndex<Config, I + 1>();
  }
}

// Multiply-adds of an MLP (AddMlp).
double MlpWork(double inputs, const std::vector<int>& hidden, double outputs);

}  // namespace hiif

#endif  // MODEL_DECODERS_TYPES_H_
