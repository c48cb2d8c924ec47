// Checkpoints of random weights, to serve networks whose weights nobody has.
#ifndef TESTS_TESTING_RANDOM_CHECKPOINT_H_
#define TESTS_TESTING_RANDOM_CHECKPOINT_H_

#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/checkpoint/checkpoint.h"
#include "model/format/safetensors.h"

namespace hiif::testing {

// Writes every parameter of the network, uniform within 1/sqrt(inputs); scales of norms are 1.
// `gain` multiplies all others.
inline absl::Status WriteRandomCheckpoint(const std::string& path, const ModelConfig& config,
                                          uint32_t seed = 7, double gain = 1) {
  std::mt19937 random(seed);
  std::map<std::string, std::vector<float>> values;
  std::map<std::string, TensorToWrite> tensors;
  for (const auto& [name, shape] : ParameterShapes(config)) {
    int64_t count = 1;
    for (const int64_t side : shape) count *= side;
    const bool norm =
        name.find("norm") != std::string::npos || name.find("ln.") != std::string::npos;
    const bool scale = norm && name.ends_with(".weight");
    const double inputs =
        shape.size() < 2 ? 16.0 : static_cast<double>(count) / static_cast<double>(shape[0]);
    const double bound = gain / std::sqrt(inputs);
    std::vector<float>& tensor = values[name];
    for (int64_t i = 0; i < count; ++i) {
      const double unit = static_cast<double>(random()) / 4294967296.0 * 2 - 1;
      tensor.push_back(scale ? 1.0f : static_cast<float>(unit * bound));
    }
    tensors[name] = {TensorType::kF32,
                     shape,
                     {reinterpret_cast<const uint8_t*>(tensor.data()), tensor.size() * 4}};
  }
  return WriteSafetensors(path, tensors, ConfigMetadata(config));
}

}  // namespace hiif::testing

#endif  // TESTS_TESTING_RANDOM_CHECKPOINT_H_
