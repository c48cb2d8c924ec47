// Upscale and UpscaleUpload from checked request to last message, without a transport.
#ifndef SERVER_CORE_UPSCALING_H_
#define SERVER_CORE_UPSCALING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "hiif/v1/super_resolution.pb.h"
#include "server/core/call.h"
#include "server/core/image_input.h"
#include "server/core/image_work.h"
#include "server/core/limits.h"
#include "server/core/order.h"
#include "server/core/plan.h"
#include "server/models/registry.h"

namespace hiif::server {

// Those of a picture and of its output, each once, cut to what a message and a log line may hold.
void AddWarnings(const std::vector<std::string>& warnings, CallReport* report);

// Stateless but for what it is given; any thread.
class Upscaling {
 public:
  Upscaling(ModelRegistry* registry, const WorkEnvironment& environment, Limits limits)
      : registry_(registry), environment_(environment), limits_(limits) {}

  // The whole of an Upscale. Blocks until the last message is written or the call ends.
  absl::Status Run(const v1::ImageSource& source, const UpscaleOrder& order, Call* call,
                   UpscaleStream* stream, CallReport* report) const;
  // The same for a file that came in chunks; `field` is what its errors name.
  absl::Status RunFile(absl::string_view file, absl::string_view field, const UpscaleOrder& order,
                       Call* call, UpscaleStream* stream, CallReport* report) const;

  const Limits& limits() const { return limits_; }

 private:
  InputOptions InputOptionsOf(const UpscaleOrder& order, const Call& call) const;
  absl::Status RunInput(ImageInput input, const UpscaleOrder& order, Call* call,
                        UpscaleStream* stream, CallReport* report) const;

  ModelRegistry* const registry_;
  const WorkEnvironment environment_;
  const Limits limits_;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_UPSCALING_H_
