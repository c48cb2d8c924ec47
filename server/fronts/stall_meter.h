// Judges whether a connection's client takes next to nothing of what waits for it.
#ifndef SERVER_FRONTS_STALL_METER_H_
#define SERVER_FRONTS_STALL_METER_H_

#include <cstdint>

#include "absl/time/time.h"
#include "server/fronts/flood_meter.h"

namespace hiif::server {

// Of one connection. What waits in the system cannot be taken back: the answers behind it keep
// their threads until the client takes it, or the connection ends.
class StallMeter {
 public:
  // At least so much is taken in each such time, 8 KiB a second.
  static constexpr absl::Duration kTime = absl::Seconds(4);
  static constexpr int64_t kLeastBytes = 32 << 10;

  explicit StallMeter(absl::Time begun) : since_(begun) {}

  // Each look in turn.
  bool Stalled(const Traffic& traffic, absl::Time now) {
    if (traffic.unsent_bytes == 0 || traffic.taken_bytes - taken_ >= kLeastBytes) {
      since_ = now;
      taken_ = traffic.taken_bytes;
    }
    return now - since_ >= kTime;
  }

 private:
  absl::Time since_;
  int64_t taken_ = 0;  // by then
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_STALL_METER_H_
