#include "scheduling/speed.h"

#include <algorithm>
#include <cmath>

namespace hiif::scheduling {
namespace {

constexpr double kMemorySeconds = 10;
constexpr double kMostSurprise = 2;

}  // namespace

void Speed::Calibrate(double coordinates_per_second) {
  calibrated_ = per_second_ = coordinates_per_second;
}

void Speed::Learn(double coordinates, double seconds) {
  if (!(coordinates > 0) || !(seconds > 0)) return;
  const double measured = coordinates / seconds;
  if (!known()) {
    per_second_ = measured;
    return;
  }
  const double surprise = std::clamp(measured / per_second_, 1 / kMostSurprise, kMostSurprise);
  const double expected_seconds = coordinates / per_second_;
  per_second_ *= std::pow(surprise, 1 - std::exp(-expected_seconds / kMemorySeconds));
  if (most_drift_ > 0 && calibrated_ > 0)
    per_second_ = std::clamp(per_second_, calibrated_ / most_drift_, calibrated_ * most_drift_);
}

}  // namespace hiif::scheduling
