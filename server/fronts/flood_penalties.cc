#include "server/fronts/flood_penalties.h"

#include <algorithm>

namespace hiif::server {
namespace {

constexpr absl::Duration kFirstLockout = absl::Seconds(1);
constexpr absl::Duration kLongestLockout = absl::Seconds(60);
constexpr absl::Duration kProbation = absl::Seconds(2);
constexpr absl::Duration kBetween = absl::Milliseconds(100);
constexpr absl::Duration kForgotten = absl::Minutes(10);
constexpr size_t kMaxAddresses = 10000;

}  // namespace

FloodPenalties::Answer FloodPenalties::Ask(const std::string& address, absl::Time now) {
  const auto found = penalties_.find(address);
  if (found == penalties_.end() || now >= found->second.probation_end) return Answer::kTake;
  if (now < found->second.lockout_end) return Answer::kRefuse;
  if (now - found->second.last_taken < kBetween) return Answer::kWait;
  found->second.last_taken = now;
  return Answer::kTake;
}

void FloodPenalties::Punish(const std::string& address, bool local, absl::Time now) {
  if (penalties_.size() >= kMaxAddresses && !penalties_.contains(address)) return;
  Penalty& penalty = penalties_[address];
  // Several connections of one flood are one.
  if (!local && now >= penalty.lockout_end) {
    penalty.lockout_end =
        now + std::min(kLongestLockout, kFirstLockout * (1 << std::min(penalty.lockouts, 6)));
    ++penalty.lockouts;
  }
  penalty.probation_end = std::max(now, penalty.lockout_end) + kProbation;
}

bool FloodPenalties::OnProbation(const std::string& address, absl::Time now) const {
  const auto found = penalties_.find(address);
  return found != penalties_.end() && now < found->second.probation_end;
}

void FloodPenalties::Sweep(absl::Time now) {
  std::erase_if(penalties_, [now](const auto& penalty) {
    return now > penalty.second.probation_end + kForgotten;
  });
}

}  // namespace hiif::server
