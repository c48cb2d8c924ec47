// Runs the scheduler's batches: pieces of requests on this process's workers.
#ifndef SERVER_CORE_DEVICE_H_
#define SERVER_CORE_DEVICE_H_

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "scheduling/job.h"
#include "server/metrics/metrics.h"

namespace hiif::server {

// A batch of one piece runs as it is. Of a larger one (a GPU's), the tiles of one model become one
// call of its upscaler; when that call finds no memory, each tile is tried once more by itself,
// halved.
class WorkDevice : public scheduling::Device {
 public:
  // on_lost: told, once, that the device does not answer any more (Unavailable from an upscaler).
  WorkDevice(Metrics* metrics, std::function<void(const absl::Status&)> on_lost)
      : metrics_(metrics), on_lost_(std::move(on_lost)) {}

  std::vector<absl::Status> Run(absl::Span<const scheduling::Assignment> batch) override;

 private:
  absl::Status RunOne(const scheduling::Assignment& assignment);
  std::vector<absl::Status> RunShared(absl::Span<const scheduling::Assignment> batch);
  absl::Status Examine(absl::Status status);

  Metrics* const metrics_;
  const std::function<void(const absl::Status&)> on_lost_;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_DEVICE_H_
