// Internal to model/: names and shapes of parameters, and sizes read back from them.
#ifndef MODEL_FORMAT_SHAPES_H_
#define MODEL_FORMAT_SHAPES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/format/safetensors.h"

namespace hiif {

using Shapes = std::map<std::string, std::vector<int64_t>>;

// A layer's `name`.weight and `name`.bias.
void AddLinear(Shapes& shapes, const std::string& name, int64_t outputs, int64_t inputs);
void AddConv(Shapes& shapes, const std::string& name, int64_t outputs, int64_t inputs,
             int64_t kernel);
void AddNorm(Shapes& shapes, const std::string& name, int64_t size);

// Linear layers `name`.layers.0, .2, ..., of these widths, an activation between.
void AddMlp(Shapes& shapes, const std::string& name, int64_t inputs, const std::vector<int>& hidden,
            int64_t outputs);
// The hidden widths of such layers.
std::vector<int> HiddenOfMlp(const Safetensors& tensors, const std::string& name);

// Multiply-adds of the layers of `shapes` at one position: the values of all weights of two or more
// dimensions. Tables that are looked up are not counted.
double MultiplyAdds(const Shapes& shapes);

// Dimension `i` of a tensor, 0 where there is none.
int Dimension(const Safetensors& tensors, const std::string& name, size_t i);
// 1 + the largest N of the names `prefix`N.*; 0 where there is none.
int Count(const Safetensors& tensors, const std::string& prefix);

}  // namespace hiif

#endif  // MODEL_FORMAT_SHAPES_H_
