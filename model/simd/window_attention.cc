#include "model/simd/window_attention.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/simd/window_attention.cc"
#include "hwy/foreach_target.h"  // compiles this file once per instruction set
// The order matters.
#include <algorithm>
#include <cmath>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "model/simd/aligned.h"

HWY_BEFORE_NAMESPACE();
namespace hiif::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<float, 16>;
using Vec = hn::Vec<Tag>;

// A lane is a query: no sum is across lanes, and a head of ten channels wastes none. Two vectors of
// queries go through all keys at a time.
constexpr int kVectors = 2;
constexpr int kKeys = 4;      // whose products with the queries are in registers
constexpr int kChannels = 5;  // of v that are; two or six times this are usual

// One head of one window, its factors laid out for the loops.
class Head {
 public:
  Head(const WindowAttention& attention)
      : a_(attention),
        lanes_(static_cast<int64_t>(hn::Lanes(Tag()))),
        row_(3 * a_.heads * a_.channels),
        v_channels_((a_.channels + kChannels - 1) / kChannels * kChannels),
        scale_(1.0f / std::sqrt(static_cast<float>(a_.channels))),
        queries_(a_.channels * Width()),
        keys_(a_.pixels * a_.channels),
        values_(a_.pixels * v_channels_),
        scores_(a_.pixels * Width()),
        results_(v_channels_ * Width()),
        sides_(PadPixels(a_.pixels)) {}

  void SetWindow(int64_t window) {
    window_ = window;
    masked_ = false;
    if (a_.side == nullptr) return;
    const float* side = a_.side + window * a_.pixels;
    masked_ = std::any_of(side, side + a_.pixels, [&](float one) { return one != side[0]; });
    std::copy_n(side, a_.pixels, sides_.data());
  }

  void Run(int64_t head) {
    const float* const first = a_.qkv + window_ * a_.pixels * row_ + head * a_.channels;
    const int64_t part = a_.heads * a_.channels;  // from q to k to v
    for (int64_t j = 0; j < a_.pixels; ++j) {
      std::copy_n(first + j * row_ + part, a_.channels, keys_.data() + j * a_.channels);
      std::copy_n(first + j * row_ + 2 * part, a_.channels, values_.data() + j * v_channels_);
    }
    const float* const bias = a_.bias + head * a_.pixels * PadPixels(a_.pixels);
    float* const out = a_.out + window_ * a_.pixels * part + head * a_.channels;
    for (int64_t begin = 0; begin < a_.pixels; begin += Width()) {
      const int64_t count = std::min(Width(), a_.pixels - begin);
      for (int64_t i = 0; i < count; ++i) {
        const float* q = first + (begin + i) * row_;
        for (int64_t c = 0; c < a_.channels; ++c) queries_[c * Width() + i] = q[c] * scale_;
      }
      masked_ ? Queries<true>(begin, bias + begin) : Queries<false>(begin, bias + begin);
      for (int64_t i = 0; i < count; ++i) {
        float* to = out + (begin + i) * part;
        for (int64_t c = 0; c < a_.channels; ++c) to[c] = results_[c * Width() + i];
      }
    }
  }

 private:
  int64_t Width() const { return kVectors * lanes_; }

  template <bool masked>
  void Queries(int64_t begin, const float* bias) {
    const Tag d;
    Vec most[kVectors], bad[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      most[v] = hn::Set(d, -3.0e38f);
      bad[v] = hn::Zero(d);
    }
    int64_t j = 0;
    for (; j + kKeys <= a_.pixels; j += kKeys) Scores<masked, kKeys>(j, begin, bias, most, bad);
    for (; j < a_.pixels; ++j) Scores<masked, 1>(j, begin, bias, most, bad);

    Vec sum[kVectors] = {bad[0], bad[1]};
    for (j = 0; j < a_.pixels; ++j) {
      float* const s = scores_.data() + j * Width();
      for (int v = 0; v < kVectors; ++v) {
        const Vec weight = hn::Exp(d, hn::Sub(hn::Load(d, s + v * lanes_), most[v]));
        sum[v] = hn::Add(sum[v], weight);
        hn::Store(weight, d, s + v * lanes_);
      }
    }
    const Vec one = hn::Set(d, 1.0f);
    const Vec share[kVectors] = {hn::Div(one, sum[0]), hn::Div(one, sum[1])};
    for (int64_t c = 0; c < v_channels_; c += kChannels) Mix(c, share);
  }

  // Keys [j, j + keys): the products with the queries from `begin` on, and what is added to them.
  template <bool masked, int keys>
  HWY_INLINE void Scores(int64_t j, int64_t begin, const float* bias, Vec (&most)[kVectors],
                         Vec (&bad)[kVectors]) {
    const Tag d;
    Vec sum[keys][kVectors];
#pragma GCC unroll 4
    for (int k = 0; k < keys; ++k) sum[k][0] = sum[k][1] = hn::Zero(d);
    const float* HWY_RESTRICT key = keys_.data() + j * a_.channels;
    const float* HWY_RESTRICT query = queries_.data();
    for (int64_t c = 0; c < a_.channels; ++c) {
      const Vec q0 = hn::Load(d, query + c * Width());
      const Vec q1 = hn::Load(d, query + c * Width() + lanes_);
#pragma GCC unroll 4
      for (int k = 0; k < keys; ++k) {
        const Vec one = hn::Set(d, key[k * a_.channels + c]);
        sum[k][0] = hn::MulAdd(q0, one, sum[k][0]);
        sum[k][1] = hn::MulAdd(q1, one, sum[k][1]);
      }
    }
    const Vec zero = hn::Zero(d);
#pragma GCC unroll 4
    for (int k = 0; k < keys; ++k) {
      const float* const added = bias + (j + k) * PadPixels(a_.pixels);
      for (int v = 0; v < kVectors; ++v) {
        Vec score = hn::Add(sum[k][v], hn::LoadU(d, added + v * lanes_));
        if constexpr (masked) {
          const Vec side = hn::LoadU(d, sides_.data() + begin + v * lanes_);
          score = hn::Add(score, hn::IfThenElse(hn::Eq(side, hn::Set(d, sides_[j + k])), zero,
                                                hn::Set(d, -100.0f)));
        }
        most[v] = hn::Max(most[v], score);
        bad[v] = hn::MulAdd(score, zero, bad[v]);  // 0, or NaN, which maxima and exp may lose
        hn::Store(score, d, scores_.data() + (j + k) * Width() + v * lanes_);
      }
    }
  }

  // Channels [c, c + kChannels) of the sum of v by their weights.
  HWY_INLINE void Mix(int64_t c, const Vec (&share)[kVectors]) {
    const Tag d;
    Vec sum[kChannels][kVectors];
#pragma GCC unroll 5
    for (int i = 0; i < kChannels; ++i) sum[i][0] = sum[i][1] = hn::Zero(d);
    const float* HWY_RESTRICT weight = scores_.data();
    const float* HWY_RESTRICT value = values_.data() + c;
    for (int64_t j = 0; j < a_.pixels; ++j, weight += Width(), value += v_channels_) {
      const Vec w0 = hn::Load(d, weight);
      const Vec w1 = hn::Load(d, weight + lanes_);
#pragma GCC unroll 5
      for (int i = 0; i < kChannels; ++i) {
        const Vec one = hn::Set(d, value[i]);
        sum[i][0] = hn::MulAdd(w0, one, sum[i][0]);
        sum[i][1] = hn::MulAdd(w1, one, sum[i][1]);
      }
    }
#pragma GCC unroll 5
    for (int i = 0; i < kChannels; ++i) {
      float* const to = results_.data() + (c + i) * Width();
      hn::Store(hn::Mul(sum[i][0], share[0]), d, to);
      hn::Store(hn::Mul(sum[i][1], share[1]), d, to + lanes_);
    }
  }

  const WindowAttention& a_;
  const int64_t lanes_;
  const int64_t row_;         // values of a pixel
  const int64_t v_channels_;  // in groups of kChannels
  const float scale_;
  AlignedVector<float> queries_;  // (channels, Width()), times scale_
  AlignedVector<float> keys_;     // (pixels, channels)
  AlignedVector<float> values_;   // (pixels, v_channels_)
  AlignedVector<float> scores_;   // (pixels, Width()): of a key, for each query
  AlignedVector<float> results_;  // (v_channels_, Width())
  AlignedVector<float> sides_;    // of the window
  int64_t window_ = 0;
  bool masked_ = false;
};

void AttendAll(const WindowAttention& attention) {
  Head one(attention);
  for (int64_t window = 0; window < attention.windows; ++window) {
    one.SetWindow(window);
    for (int64_t head = 0; head < attention.heads; ++head) one.Run(head);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hiif::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "model/simd/isa.h"
namespace hiif::kernels {

HWY_EXPORT(AttendAll);

void Attend(const WindowAttention& attention) {
  ActiveIsa();  // what the environment asks for, before the first dispatch
  HWY_DYNAMIC_DISPATCH(AttendAll)(attention);
}

}  // namespace hiif::kernels
#endif  // HWY_ONCE
