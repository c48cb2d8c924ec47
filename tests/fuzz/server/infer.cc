// ModelInferRequest of the KServe V2 protocol, as far as an order.
#include "inference/grpc_service.pb.h"
#include "server/core/image_input.h"
#include "server/core/order.h"
#include "server/fronts/kserve/infer_parameters.h"
#include "server/fronts/kserve/tensors.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(infer) {
  using namespace hiif::server;  // NOLINT
  inference::ModelInferRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const auto input = kserve::ReadInput(request);
  if (!input.ok()) return;
  if (!input->file.has_value()) ImageInput::FromSource(input->pixels, {}).IgnoreError();
  const auto options = kserve::ReadParameters(request, *input);
  if (options.ok()) UpscaleOrder::Parse(options->parameters).IgnoreError();
}
