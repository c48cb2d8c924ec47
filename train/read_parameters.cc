#include "train/read_parameters.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hiif::train {

absl::StatusOr<Parameters> ReadParameters(
    const Safetensors& file, const std::map<std::string, std::vector<int64_t>>& shapes) {
  Parameters parameters;
  for (const auto& [name, shape] : shapes) {
    const auto tensor = file.tensors().find(name);
    if (tensor == file.tensors().end() || tensor->second.shape != shape) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " is missing or of another shape"));
    }
    HIIF_ASSIGN_OR_RETURN(std::vector<float> values, file.Floats(name));
    parameters[name] = at::from_blob(values.data(), shape, at::kFloat).clone();
  }
  return parameters;
}

}  // namespace hiif::train
