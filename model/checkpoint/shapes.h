// Shapes of parameters by name, and how to read sizes back from the tensors of a file.
#ifndef MODEL_CHECKPOINT_SHAPES_H_
#define MODEL_CHECKPOINT_SHAPES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint/safetensors.h"
#include "model/config.h"

namespace hiif {

using Shapes = std::map<std::string, std::vector<int64_t>>;

// name.weight and name.bias.
void AddLinear(Shapes& shapes, const std::string& name, int64_t outputs, int64_t inputs);
void AddConv(Shapes& shapes, const std::string& name, int64_t outputs, int64_t inputs,
             int64_t kernel);
void AddNorm(Shapes& shapes, const std::string& name, int64_t size);
// Linear layers name.layers.0, .2, .4, ...: inputs, each of `hidden`, outputs.
void AddMlp(Shapes& shapes, const std::string& name, int64_t inputs, const std::vector<int>& hidden,
            int64_t outputs);

// Dimension `i` of a tensor, 0 where there is none.
int Dimension(const Safetensors& tensors, const std::string& name, size_t i);
// 1 + the largest N of the names `prefix`N.*; 0 where there is none.
int Count(const Safetensors& tensors, const std::string& prefix);
// The `hidden` of AddMlp().
std::vector<int> HiddenOfMlp(const Safetensors& tensors, const std::string& name);
bool Contains(const Safetensors& tensors, const std::string& name);
int IntegerRoot(int value);

// The encoder that the tensors `encoder.*` are of. InvalidArgument: none that is known.
absl::StatusOr<EncoderConfig> InferEncoder(const Safetensors& tensors);

}  // namespace hiif

#endif  // MODEL_CHECKPOINT_SHAPES_H_
