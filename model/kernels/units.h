// Internal to model/kernels: factors as units of 32 bits (gemm.h), one by one.
#ifndef MODEL_KERNELS_UNITS_H_
#define MODEL_KERNELS_UNITS_H_

#include <bit>
#include <cstdint>

#include "model/kernels/gemm.h"

namespace hiif::kernels {

inline uint32_t RoundToBFloat16(float value) {
  if (value != value) return 0x7fc0;
  const auto bits = std::bit_cast<uint32_t>(value);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// Unit `u` of a row of `inputs` values; beyond the last there are zeros.
inline uint32_t MakeUnit(Number number, const float* row, int64_t u, int64_t inputs) {
  if (number.arithmetic == Arithmetic::kFloat32) return std::bit_cast<uint32_t>(row[u]);
  const int64_t units = Units(number, inputs);
  const int64_t rounded_units = number.arithmetic == Arithmetic::kSplit ? units / 2 : units;
  const auto part = [&](int64_t i) -> uint32_t {
    if (i >= inputs) return 0;
    const uint32_t rounded = RoundToBFloat16(row[i]);
    if (u < rounded_units) return rounded;
    return RoundToBFloat16(row[i] - std::bit_cast<float>(rounded << 16));
  };
  const int64_t first = 2 * (u % rounded_units);
  return part(first) | part(first + 1) << 16;
}

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_UNITS_H_
