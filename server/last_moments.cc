#include "server/last_moments.h"

#include <cstdlib>

#include "server/logging/log.h"

namespace hiif::server {

LastMoments::LastMoments(absl::Duration time, int code)
    : code_(code), thread_([this, time] {
        if (over_.WaitFor(time)) return;
        LogWarning("the server ends although something still runs", {{"exit_code", code_.load()}});
        std::_Exit(code_);
      }) {}

LastMoments::~LastMoments() {
  over_.Raise();
  thread_.join();
}

}  // namespace hiif::server
