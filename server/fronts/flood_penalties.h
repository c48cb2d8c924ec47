// What addresses whose connections flooded (flood_meter.h) may still do.
#ifndef SERVER_FRONTS_FLOOD_PENALTIES_H_
#define SERVER_FRONTS_FLOOD_PENALTIES_H_

#include <cstddef>
#include <map>
#include <string>

#include "absl/time/time.h"

namespace hiif::server {

// A flood locks an address out for a second, twice as long each time up to a minute; this machine
// is not locked out of itself. Afterwards it is on probation for 2 s: a connection each 100 ms, and
// less is taken of each. One thread.
class FloodPenalties {
 public:
  enum class Answer { kTake, kWait, kRefuse };

  // Whether a new connection of that address is taken now. kTake is counted as taken.
  Answer Ask(const std::string& address, absl::Time now);
  // A connection of it flooded.
  void Punish(const std::string& address, bool local, absl::Time now);
  bool OnProbation(const std::string& address, absl::Time now) const;
  // Forgets what is long over.
  void Sweep(absl::Time now);
  size_t size() const { return penalties_.size(); }

 private:
  struct Penalty {
    absl::Time lockout_end = absl::InfinitePast();
    absl::Time probation_end;
    absl::Time last_taken = absl::InfinitePast();
    int lockouts = 0;
  };
  std::map<std::string, Penalty> penalties_;
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_FLOOD_PENALTIES_H_
