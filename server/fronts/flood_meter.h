// Judges whether a connection floods: costs far more than it asks for.
//
// gRPC 1.51 counts neither streams that their client gives up at once (rapid resets, the class of
// CVE-2023-44487: each costs it 15 KB until its threads come round to it) nor bytes of which
// nothing comes (headers without an end, CVE-2023-33953; pings).
#ifndef SERVER_FRONTS_FLOOD_METER_H_
#define SERVER_FRONTS_FLOOD_METER_H_

#include <cstdint>

#include "absl/time/time.h"

namespace hiif::server {

// What a connection has done since it began.
struct Traffic {
  int64_t received_bytes = 0;  // that gRPC has taken from the socket
  int64_t sent_bytes = 0;
  int64_t taken_bytes = 0;   // of these, acknowledged by the client's system
  int64_t unsent_bytes = 0;  // that wait in the server's system now
  int64_t streams = 0;       // begun by the client
  int64_t succeeded = 0;     // of these: answered to the end, with whatever status
  int64_t failed = 0;        // of these: over without that
  int64_t messages = 0;      // received whole

  int64_t open() const { return streams - succeeded - failed; }
};

struct FloodLimits {
  int64_t max_streams = 100;  // open at once, as gRPC is told
  int64_t max_message_bytes = int64_t{32} << 20;
  // Streams that a client may give up at once; lately it has flooded: fewer.
  int64_t abandoned_at_once = 200;
  // Open streams of one address on connections that take nothing (stall_meter.h).
  int64_t stalled_streams = 16;
};

// Of one connection.
class FloodMeter {
 public:
  // Streams that clients give up: so many a second for long.
  static constexpr int64_t kAbandonedPerSecond = 100;
  // Bytes beside the messages of open streams. What gRPC has taken from the socket it may not have
  // looked at yet.
  static constexpr int64_t kIdleBytesAtOnce = int64_t{4} << 20;
  static constexpr int64_t kIdleBytesPerSecond = 16 << 10;
  // Bytes without any of the server's in between, beside those of open streams: a client that sends
  // a message needs window updates (RFC 9113, section 5.2), one that sends headers does not.
  static constexpr int64_t kUnansweredBytes = int64_t{4} << 20;
  // Of each open stream, for so many: what gRPC lets a client send for a message that it awaits.
  static constexpr int64_t kUnansweredBytesOfStream = int64_t{1} << 20;
  static constexpr int64_t kUnansweredStreams = 24;

  explicit FloodMeter(absl::Time begun) : last_time_(begun) {}
  // Each look in turn. True: close it.
  bool Floods(const Traffic& traffic, const FloodLimits& limits, absl::Time now);

 private:
  Traffic last_;
  absl::Time last_time_;
  double abandoned_ = 0;     // streams, less what was allowed since
  double idle_bytes_ = 0;    // without a message, less what was allowed since
  int64_t answered_at_ = 0;  // received bytes at the last look before which the server had sent
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_FLOOD_METER_H_
