// What ModelStatistics tells of each model.
#ifndef SERVER_FRONTS_KSERVE_STATISTICS_H_
#define SERVER_FRONTS_KSERVE_STATISTICS_H_

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "inference/grpc_service.pb.h"
#include "server/core/call.h"

namespace hiif::server::kserve {

// Calls of this front, since the process began. Any thread.
class Statistics {
 public:
  // A call of a registered model is over.
  void Add(const CallReport& report, bool ok, absl::Duration duration);

  // Of one model, all zero where it was not called.
  inference::ModelStatistics Of(const std::string& name, const std::string& version) const;

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, inference::ModelStatistics> models_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif::server::kserve

#endif  // SERVER_FRONTS_KSERVE_STATISTICS_H_
