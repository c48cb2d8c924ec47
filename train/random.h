// Random numbers that are a function of where they are used, not of what was drawn before: a run
// that goes on at step n draws what it would have drawn without the stop.
#ifndef TRAIN_RANDOM_H_
#define TRAIN_RANDOM_H_

#include <cmath>
#include <cstdint>
#include <numbers>

namespace hiif::train {

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), one stream for each (seed, step, item).
class Random {
 public:
  Random(uint64_t seed, uint64_t step, uint64_t item) : state_(Mix(Mix(Mix(seed) ^ step) + item)) {}

  uint64_t Next() { return Mix(state_ += kIncrement); }

  // [0,1), 53 random bits.
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }

  // [0,n), n >= 1; every value equally likely.
  uint64_t Below(uint64_t n) {
    const uint64_t limit = -n % n;  // 2^64 mod n: draws below it would favour small values
    while (true) {
      const uint64_t draw = Next();
      if (draw >= limit) return draw % n;
    }
  }

  // Mean 0, deviation 1 (Box and Muller).
  double Normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * Uniform());
  }

  static uint64_t Mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  static constexpr uint64_t kIncrement = 0x9e3779b97f4a7c15;
  uint64_t state_;
};

// Place i of [0,n) in a shuffled order that `key` names, without the order being stored: a Feistel
// network over the next power of four, walked until it lands inside.
inline uint64_t Shuffled(uint64_t i, uint64_t n, uint64_t key) {
  int half_bits = 1;
  while ((uint64_t{1} << (2 * half_bits)) < n) ++half_bits;
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  do {
    uint64_t left = i >> half_bits;
    uint64_t right = i & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t next = left ^ (Random::Mix(key ^ Random::Mix(right * 4 + round)) & mask);
      left = right;
      right = next;
    }
    i = (left << half_bits) | right;
  } while (i >= n);
  return i;
}

}  // namespace hiif::train

#endif  // TRAIN_RANDOM_H_
