// Parameters of a ModelInferRequest as those of an Upscale.
#ifndef SERVER_FRONTS_KSERVE_INFER_PARAMETERS_H_
#define SERVER_FRONTS_KSERVE_INFER_PARAMETERS_H_

#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"
#include "server/fronts/kserve/tensors.h"
#include "server/fronts/upscale_options.h"

namespace hiif::server::kserve {

// Parameters have the names of docs/http.md (format, quality, region, width, ...); of Triton's own,
// `priority` (unsigned; 0: the usual, 1: the highest) and `timeout` (microseconds) are understood,
// and what is about sequences must be at rest. A file is answered by a PNG where no format is
// given, pixels by pixels. InvalidArgument names the parameter.
absl::StatusOr<UpscaleOptions> ReadParameters(const inference::ModelInferRequest& request,
                                              const InferInput& input);

}  // namespace hiif::server::kserve

#endif  // SERVER_FRONTS_KSERVE_INFER_PARAMETERS_H_
