// Upscale and UpscaleUpload from checked request to last message, without a transport.
#ifndef SERVER_CORE_UPSCALING_H_
#define SERVER_CORE_UPSCALING_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "hiif/v1/super_resolution.pb.h"
#include "server/core/call.h"
#include "server/core/image_input.h"
#include "server/core/image_work.h"
#include "server/core/plan.h"
#include "server/models/registry.h"

namespace hiif::server {

struct RequestLimits {
  int64_t max_input_pixels = 50'000'000;
  int64_t max_output_pixels = 400'000'000;
  int64_t max_query_coordinates = 1 << 18;
  int default_tile_size = 256;
  int tiles_ahead = 4;
};

// Stateless but for what it is given; any thread.
class Upscaling {
 public:
  Upscaling(ModelRegistry* registry, const WorkEnvironment& environment, RequestLimits limits)
      : registry_(registry), environment_(environment), limits_(limits) {}

  // The whole of an Upscale. Blocks until the last message is written or the call ends.
  absl::Status Run(const v1::ImageSource& source, const v1::UpscaleParameters& parameters,
                   Call* call, UpscaleStream* stream, CallReport* report) const;
  // The same for a file that came in chunks; `field` is what its errors name.
  absl::Status RunFile(absl::string_view file, absl::string_view field,
                       const v1::UpscaleParameters& parameters, Call* call, UpscaleStream* stream,
                       CallReport* report) const;

  const RequestLimits& limits() const { return limits_; }

 private:
  InputOptions InputOptionsOf(const v1::UpscaleParameters& parameters, const Call& call) const;
  absl::Status RunInput(ImageInput input, const v1::UpscaleParameters& parameters, Call* call,
                        UpscaleStream* stream, CallReport* report) const;

  ModelRegistry* const registry_;
  const WorkEnvironment environment_;
  const RequestLimits limits_;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_UPSCALING_H_
