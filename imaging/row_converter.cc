#include "imaging/row_converter.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

namespace hiif {
namespace {

template <typename T>
constexpr float kFull = std::is_same_v<T, float> ? 1.0f : std::numeric_limits<T>::max();

template <typename To, typename From>
To Narrow(From v) {
  if constexpr (std::is_same_v<To, From>) return v;
  if constexpr (std::is_same_v<From, uint16_t> && std::is_same_v<To, uint8_t>)
    return static_cast<uint8_t>((v * 255u + 32767u) / 65535u);
  if constexpr (std::is_same_v<From, float>)  // 0 for NaN
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): see Sample in tile.cc
    return static_cast<To>((v > 0 ? std::min(v, 1.0f) : 0.0f) * kFull<To> + 0.5f);
  return static_cast<To>(v);  // wider than before: never asked for
}

template <typename From, typename To>
void Convert(int from, const From* in, int to, To* out, int64_t pixels) {
  const bool alpha_in = from % 2 == 0;
  const bool alpha_out = to % 2 == 0;
  const int colours = to - alpha_out;
  const int repeat = from < 3 ? 0 : 1;  // step of the input's colours
  for (int64_t i = 0; i < pixels; ++i, in += from, out += to) {
    for (int c = 0; c < colours; ++c) {
      From v = in[c * repeat];
      if (alpha_in && !alpha_out) {
        const float a = static_cast<float>(in[from - 1]) / kFull<From>;
        const float on_white = static_cast<float>(v) * a + kFull<From> * (1 - a);
        v = static_cast<From>(std::is_same_v<From, float> ? on_white : on_white + 0.5f);
      }
      out[c] = Narrow<To>(v);
    }
    if (alpha_out) out[to - 1] = Narrow<To>(in[from - 1]);
  }
}

template <typename From>
void ConvertFrom(PixelLayout from, const void* in, PixelLayout to, void* out, int64_t pixels) {
  const auto* typed = static_cast<const From*>(in);
  if (to.type == SampleType::kU8)
    Convert(from.channels, typed, to.channels, static_cast<uint8_t*>(out), pixels);
  if (to.type == SampleType::kU16)
    Convert(from.channels, typed, to.channels, static_cast<uint16_t*>(out), pixels);
  if (to.type == SampleType::kF32)
    Convert(from.channels, typed, to.channels, static_cast<float*>(out), pixels);
}

}  // namespace

void ConvertPixels(PixelLayout from, const void* in, PixelLayout to, void* out, int64_t pixels) {
  if (from == to) {
    std::memcpy(out, in, pixels * from.bytes());
    return;
  }
  if (from.type == SampleType::kU8) ConvertFrom<uint8_t>(from, in, to, out, pixels);
  if (from.type == SampleType::kU16) ConvertFrom<uint16_t>(from, in, to, out, pixels);
  if (from.type == SampleType::kF32) ConvertFrom<float>(from, in, to, out, pixels);
}

}  // namespace hiif
