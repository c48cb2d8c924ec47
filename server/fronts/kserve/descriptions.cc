#include "server/fronts/kserve/descriptions.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/fronts/kserve/tensors.h"

namespace hiif::server::kserve {
namespace {

constexpr char kPlatform[] = "hiif";

template <typename Tensor>
void SetTensor(const char* name, const char* type, std::initializer_list<int64_t> shape,
               Tensor* tensor) {
  tensor->set_name(name);
  tensor->set_datatype(type);
  for (const int64_t size : shape) tensor->add_shape(size);
}

template <typename Tensor>
void SetConfig(const char* name, inference::DataType type, std::initializer_list<int64_t> dims,
               Tensor* tensor) {
  tensor->set_name(name);
  tensor->set_data_type(type);
  for (const int64_t size : dims) tensor->add_dims(size);
}

}  // namespace

std::string VersionNumber(absl::string_view version) {
  int64_t number = 0;
  return absl::SimpleHexAtoi(version, &number) ? absl::StrCat(number) : "";
}

void Describe(const ModelStatus& model, inference::ModelMetadataResponse* metadata) {
  metadata->set_name(model.name);
  if (!model.facts.version.empty()) metadata->add_versions(VersionNumber(model.facts.version));
  metadata->set_platform(kPlatform);
  SetTensor(kImage, "UINT8", {-1, -1, -1}, metadata->add_inputs());
  SetTensor(kScale, "FP32", {2}, metadata->add_inputs());
  SetTensor(kImage, "UINT8", {-1, -1, -1}, metadata->add_outputs());
}

void Describe(const ModelStatus& model, inference::ModelConfig* config) {
  config->set_name(model.name);
  config->set_platform(kPlatform);
  config->set_backend(kPlatform);
  // Requests are not batched by the client: tiles of all of them share the device.
  config->set_max_batch_size(0);
  SetConfig(kImage, inference::TYPE_UINT8, {-1, -1, -1}, config->add_input());
  SetConfig(kScale, inference::TYPE_FP32, {2}, config->add_input());
  SetConfig(kImage, inference::TYPE_UINT8, {-1, -1, -1}, config->add_output());
  for (const auto& [key, value] : model.facts.metadata)
    (*config->mutable_parameters())[key].set_string_value(value);
}

void Describe(const ModelStatus& model, inference::RepositoryIndexResponse::ModelIndex* index) {
  index->set_name(model.name);
  index->set_version(VersionNumber(model.facts.version));
  const bool ready = CanServe(model.state);
  index->set_state(ready ? "READY" : "UNAVAILABLE");
  if (!ready) index->set_reason(model.error.empty() ? StateName(model.state) : model.error);
}

}  // namespace hiif::server::kserve
