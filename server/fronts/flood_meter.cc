#include "server/fronts/flood_meter.h"

#include <algorithm>

namespace hiif::server {
namespace {

// What a stream's headers may take: gRPC refuses longer ones, once it has read them.
constexpr int64_t kHeaderBytes = 16 << 10;
// One byte of window updates and acknowledgements for so many that are sent.
constexpr int64_t kSentPerReceived = 64;

// Begun and not answered, beyond what may be open: given up by the client.
int64_t Abandoned(const Traffic& traffic, const FloodLimits& limits) {
  return std::max<int64_t>(0, traffic.streams - traffic.succeeded - limits.max_streams);
}

}  // namespace

bool FloodMeter::Floods(const Traffic& traffic, const FloodLimits& limits, absl::Time now) {
  const double seconds = std::max(0.0, absl::ToDoubleSeconds(now - last_time_));
  const auto more = [&](int64_t Traffic::*count) {
    return static_cast<double>(traffic.*count - last_.*count);
  };
  abandoned_ += static_cast<double>(Abandoned(traffic, limits) - Abandoned(last_, limits));
  abandoned_ = std::max(0.0, abandoned_ - seconds * kAbandonedPerSecond);
  idle_bytes_ += more(&Traffic::received_bytes);
  idle_bytes_ -= seconds * kIdleBytesPerSecond + more(&Traffic::sent_bytes) / kSentPerReceived +
                 more(&Traffic::streams) * kHeaderBytes +
                 more(&Traffic::messages) * static_cast<double>(limits.max_message_bytes);
  idle_bytes_ = std::max(0.0, idle_bytes_);
  if (traffic.sent_bytes != last_.sent_bytes) answered_at_ = traffic.received_bytes;
  last_ = traffic;
  last_time_ = now;
  const int64_t open = std::clamp<int64_t>(traffic.open(), 0, limits.max_streams);
  return abandoned_ > static_cast<double>(limits.abandoned_at_once) ||
         idle_bytes_ > static_cast<double>(kIdleBytesAtOnce + open * limits.max_message_bytes) ||
         traffic.received_bytes - answered_at_ >
             kUnansweredBytes + std::min(open, kUnansweredStreams) * kUnansweredBytesOfStream;
}

}  // namespace hiif::server
