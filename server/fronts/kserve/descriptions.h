// Models as the KServe V2 protocol describes them.
#ifndef SERVER_FRONTS_KSERVE_DESCRIPTIONS_H_
#define SERVER_FRONTS_KSERVE_DESCRIPTIONS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "inference/grpc_service.pb.h"
#include "server/models/registry.h"

namespace hiif::server::kserve {

// A version of this API, up to 15 hexadecimal digits of a digest, as the decimal number that it is:
// Triton's versions are numbers, and its programs (perf_analyzer) read them as such. Empty: none.
std::string VersionNumber(absl::string_view version);

// Inputs IMAGE UINT8 [-1,-1,-1] (height, width, channels; tensors.h says what else is taken) and
// SCALE FP32 [2], output IMAGE UINT8 [-1,-1,-1].
void Describe(const ModelStatus& model, inference::ModelMetadataResponse* metadata);
void Describe(const ModelStatus& model, inference::ModelConfig* config);

// "READY" or "UNAVAILABLE" with a reason.
void Describe(const ModelStatus& model, inference::RepositoryIndexResponse::ModelIndex* index);

}  // namespace hiif::server::kserve

#endif  // SERVER_FRONTS_KSERVE_DESCRIPTIONS_H_
