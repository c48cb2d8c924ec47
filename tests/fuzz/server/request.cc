// UpscaleRequest, from its bytes to a plan.
#include "hiif/v1/super_resolution.pb.h"
#include "server/core/image_input.h"
#include "server/core/order.h"
#include "server/core/plan.h"
#include "server/core/request_id.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(request) {
  using namespace hiif::server;  // NOLINT
  hiif::v1::UpscaleRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const auto id = RequestId("parameters.request_id", request.parameters().request_id());
  if (id.ok()) FUZZ_CHECK(!id->empty() && id->size() <= 128);
  const auto order = UpscaleOrder::Parse(request.parameters());
  if (!order.ok() || !request.image().has_raw()) return;
  const auto input = ImageInput::FromSource(request.image(), {.clip = order->clip});
  if (!input.ok()) return;
  const Limits limits;
  const auto plan = MakePlan(*order, input->facts(), limits);
  if (!plan.ok()) return;
  FUZZ_CHECK(plan->output.width * plan->output.height <= limits.max_output_pixels);
  const hiif::Region& region = plan->region;
  FUZZ_CHECK(region.x >= 0 && region.width >= 1 && region.x + region.width <= plan->output.width);
  FUZZ_CHECK(region.y >= 0 && region.height >= 1 &&
             region.y + region.height <= plan->output.height);
  FUZZ_CHECK(plan->tile_size >= 1 && plan->first_tile >= 0 && plan->first_tile <= plan->tiles());
  FUZZ_CHECK(plan->Tile(plan->tiles() - 1).pixels() * plan->pixel_bytes() <= kMaxPayloadBytes);
}
