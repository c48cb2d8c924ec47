// Query from checked request to answer, without a transport: the implicit function itself.
#ifndef SERVER_CORE_QUERYING_H_
#define SERVER_CORE_QUERYING_H_

#include "absl/status/status.h"
#include "hiif/v1/super_resolution.pb.h"
#include "server/core/call.h"
#include "server/core/image_work.h"
#include "server/core/upscaling.h"
#include "server/models/registry.h"

namespace hiif::server {

// Stateless but for what it is given; any thread.
class Querying {
 public:
  Querying(ModelRegistry* registry, const WorkEnvironment& environment, Limits limits)
      : registry_(registry), environment_(environment), limits_(limits) {}

  // Blocks until the answer is complete or the call ends. NotFound: an image named by a digest that
  // the feature cache does not have.
  absl::Status Run(const v1::QueryRequest& request, Call* call, v1::QueryResponse* response,
                   CallReport* report) const;

 private:
  // The image, or that its features are cached already; its size, and what is left out of it.
  absl::Status FindImage(const v1::QueryRequest& request, const Call& call, WorkInput* input,
                         Grid* size, CallReport* report) const;

  ModelRegistry* const registry_;
  const WorkEnvironment environment_;
  const Limits limits_;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_QUERYING_H_
