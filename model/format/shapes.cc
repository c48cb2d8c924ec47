#include "model/format/shapes.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace hiif {

void AddLinear(Shapes& shapes, const std::string& name, int64_t outputs, int64_t inputs) {
  shapes[name + ".weight"] = {outputs, inputs};
  shapes[name + ".bias"] = {outputs};
}

void AddConv(Shapes& shapes, const std::string& name, int64_t outputs, int64_t inputs,
             int64_t kernel) {
  shapes[name + ".weight"] = {outputs, inputs, kernel, kernel};
  shapes[name + ".bias"] = {outputs};
}

void AddNorm(Shapes& shapes, const std::string& name, int64_t size) {
  shapes[name + ".weight"] = {size};
  shapes[name + ".bias"] = {size};
}

int Dimension(const Safetensors& tensors, const std::string& name, size_t i) {
  const auto found = tensors.tensors().find(name);
  if (found == tensors.tensors().end() || found->second.shape.size() <= i) return 0;
  return static_cast<int>(std::min<int64_t>(found->second.shape[i], 1 << 20));
}

int Count(const Safetensors& tensors, const std::string& prefix) {
  int count = 0;
  for (auto i = tensors.tensors().lower_bound(prefix);
       i != tensors.tensors().end() && absl::StartsWith(i->first, prefix); ++i) {
    const std::string rest = i->first.substr(prefix.size());
    int number;
    if (absl::SimpleAtoi(rest.substr(0, rest.find('.')), &number) && number >= 0 &&
        number < 10000) {
      count = std::max(count, number + 1);
    }
  }
  return count;
}

void AddMlp(Shapes& shapes, const std::string& name, int64_t inputs, const std::vector<int>& hidden,
            int64_t outputs) {
  int layer = 0;
  for (const int width : hidden) {
    AddLinear(shapes, absl::StrCat(name, ".layers.", layer), width, inputs);
    inputs = width;
    layer += 2;  // an activation between
  }
  AddLinear(shapes, absl::StrCat(name, ".layers.", layer), outputs, inputs);
}

std::vector<int> HiddenOfMlp(const Safetensors& tensors, const std::string& name) {
  std::vector<int> hidden;
  const std::string prefix = name + ".layers.";
  for (int layer = 0; layer + 1 < Count(tensors, prefix); layer += 2) {
    hidden.push_back(Dimension(tensors, absl::StrCat(prefix, layer, ".weight"), 0));
  }
  return hidden;
}

double MultiplyAdds(const Shapes& shapes) {
  double sum = 0;
  for (const auto& [name, shape] : shapes) {
    if (shape.size() < 2 || absl::EndsWith(name, "_table")) continue;
    double values = 1;
    for (const int64_t side : shape) values *= static_cast<double>(side);
    sum += values;
  }
  return sum;
}

}  // namespace hiif
