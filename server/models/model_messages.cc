#include "server/models/model_messages.h"

#include "server/errors/errors.h"

namespace hiif::server {
namespace {

constexpr int kDefaultPage = 100;
constexpr int kMaxPage = 1000;

v1::ModelState ToProto(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return v1::MODEL_STATE_LOADING;
    case ModelState::kReady:
      return v1::MODEL_STATE_READY;
    case ModelState::kFailed:
      return v1::MODEL_STATE_FAILED;
    case ModelState::kUnloaded:
      return v1::MODEL_STATE_UNLOADED;
  }
  return v1::MODEL_STATE_UNSPECIFIED;
}

}  // namespace

v1::Model ToProto(const ModelStatus& status) {
  const ModelFacts& facts = status.facts;
  v1::Model model;
  model.set_name(status.name);
  model.set_version(facts.version);
  model.set_encoder(facts.encoder);
  model.set_decoder(facts.decoder);
  model.set_coordinates(facts.coordinates);
  model.set_parameters(facts.parameters);
  model.set_backend(facts.backend);
  model.set_precision(facts.precision);
  model.set_identity(facts.identity);
  model.set_has_strength(facts.has_strength);
  model.set_device(facts.device);
  model.set_memory_bytes(status.state == ModelState::kReady ? facts.weights_bytes : 0);
  model.set_state(ToProto(status.state));
  model.set_error(status.error);
  model.set_is_default(status.is_default);
  for (const auto& [key, value] : facts.metadata) (*model.mutable_metadata())[key] = value;
  return model;
}

absl::StatusOr<v1::ListModelsResponse> ListPage(const ModelRegistry& registry,
                                                const v1::ListModelsRequest& request) {
  if (request.page_size() < 0 || request.page_size() > kMaxPage)
    return InvalidField("page_size", "0 (100) to 1000 is allowed");
  const int size = request.page_size() == 0 ? kDefaultPage : request.page_size();
  v1::ListModelsResponse response;
  for (const ModelStatus& status : registry.List()) {
    if (!request.page_token().empty() && status.name <= request.page_token()) continue;
    if (response.models_size() == size) {
      response.set_next_page_token(response.models(size - 1).name());
      break;
    }
    *response.add_models() = ToProto(status);
  }
  return response;
}

}  // namespace hiif::server
