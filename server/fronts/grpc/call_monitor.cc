#include "server/fronts/grpc/call_monitor.h"

#include "absl/time/clock.h"
#include "base/steady_now.h"
#include "server/fronts/grpc/grpc_call.h"

namespace hiif::server {

CallMonitor::CallMonitor(absl::Duration write_timeout)
    : write_timeout_(write_timeout), thread_([this] { Watch(); }) {}

CallMonitor::~CallMonitor() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void CallMonitor::Add(GrpcCall* call) {
  absl::MutexLock lock(&mutex_);
  calls_.insert(call);
}

void CallMonitor::Remove(GrpcCall* call) {
  absl::MutexLock lock(&mutex_);
  calls_.erase(call);
}

void CallMonitor::Watch() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](CallMonitor* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex_) {
            return self->stop_ || !self->calls_.empty();
          },
          this));
      if (stop_) return;
      const absl::Time now = SteadyNow();
      for (GrpcCall* call : calls_) call->LookAfter(now, draining_);
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
}

}  // namespace hiif::server
