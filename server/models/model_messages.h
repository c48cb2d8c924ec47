// Models as messages.
#ifndef SERVER_MODELS_MODEL_MESSAGES_H_
#define SERVER_MODELS_MODEL_MESSAGES_H_

#include "absl/status/statusor.h"
#include "hiif/v1/super_resolution.pb.h"
#include "server/models/registry.h"

namespace hiif::server {

v1::Model ToProto(const ModelStatus& status);

// A page of models in the order of their names; page tokens are the name of the last model of a
// page. InvalidArgument: page_size.
absl::StatusOr<v1::ListModelsResponse> ListPage(const ModelRegistry& registry,
                                                const v1::ListModelsRequest& request);

}  // namespace hiif::server

#endif  // SERVER_MODELS_MODEL_MESSAGES_H_
