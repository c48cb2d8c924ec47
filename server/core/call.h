// One call as the core sees it, whatever carried it.
#ifndef SERVER_CORE_CALL_H_
#define SERVER_CORE_CALL_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "hiif/v1/super_resolution.pb.h"

namespace hiif::server {

// Who asks, until when, and whether somebody still waits for the answer.
class Call {
 public:
  virtual ~Call() = default;

  // OK while the client waits; Cancelled when it is gone, DeadlineExceeded when it is too late or
  // it read too slowly. Does not block.
  virtual absl::Status Alive() const = 0;
  // Called at once on another thread when Alive() changes; nullptr takes the callback back, and
  // returns when it does not run any more.
  virtual void WhenDead(std::function<void()> callback) = 0;

  virtual absl::Time arrival() const = 0;
  virtual absl::Time deadline() const = 0;        // InfiniteFuture: none
  virtual const std::string& caller() const = 0;  // fairness is among their CallerNetwork()
  virtual const std::string& request_id() const = 0;
};

// Where the messages of an Upscale go.
class UpscaleStream {
 public:
  virtual ~UpscaleStream() = default;
  // Blocks until the client has room. An error says why there will be none: Cancelled,
  // DeadlineExceeded.
  virtual absl::Status Write(const v1::UpscaleResponse& response) = 0;
};

// When a stage of a call ran, from its first piece to its last.
struct StageSpan {
  const char* name = "";
  absl::Time begin;
  absl::Time end;
  double worker_seconds = 0;  // summed over workers
};

// What a call did, for logs, metrics and traces.
struct CallReport {
  std::string model;  // a registered name, or empty
  int64_t input_pixels = 0;
  int64_t output_pixels = 0;
  int64_t messages = 0;
  v1::StageTimes times;
  std::vector<StageSpan> stages;  // those that ran
  bool features_cached = false;
  std::vector<std::string> warnings;  // as in UpscaleTrailer
  absl::Duration first_tile;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_CALL_H_
