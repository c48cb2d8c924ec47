// Whether an upload goes on quickly enough to keep the room that it holds.
#ifndef SERVER_FRONTS_UPLOAD_PACE_H_
#define SERVER_FRONTS_UPLOAD_PACE_H_

#include <algorithm>
#include <cstdint>

namespace hiif::server {

class UploadPace {
 public:
  // Within each read timeout an upload must bring this part of what it holds already: who holds
  // much must go on quickly, because others wait for the room.
  static constexpr int64_t kLeastPart = 40;

  // held: bytes that have come in all. True: the time for the next part begins anew.
  bool GoesOn(int64_t held) {
    if (held - counted_ < std::max<int64_t>(1, counted_ / kLeastPart)) return false;
    counted_ = held;
    return true;
  }

 private:
  int64_t counted_ = 0;
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_UPLOAD_PACE_H_
