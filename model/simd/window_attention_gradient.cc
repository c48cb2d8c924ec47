#include "model/simd/window_attention.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/simd/window_attention_gradient.cc"
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

constexpr int kVectors = 2;   // of lanes at a time; they divide a padded row
constexpr int kRows = 4;      // whose products with the lanes are in registers
constexpr int kChannels = 5;  // whose sums are

inline int64_t PadChannels(int64_t channels) {
  return (channels + kChannels - 1) / kChannels * kChannels;
}

// A factor of one head of one window both ways: a row for each pixel, and a lane.
struct Factor {
  Factor(int64_t pixels, int64_t channels)
      : rows(pixels * PadChannels(channels)), lanes(channels * PadPixels(pixels)) {}

  // Channels of pixel `pixel`, times `scale`.
  void Set(int64_t pixel, const float* from, int64_t channels, int64_t stride, float scale) {
    for (int64_t c = 0; c < channels; ++c) {
      rows[pixel * PadChannels(channels) + c] = from[c] * scale;
      lanes[c * stride + pixel] = from[c] * scale;
    }
  }

  AlignedVector<float> rows;   // (pixels, PadChannels(channels))
  AlignedVector<float> lanes;  // (channels, PadPixels(pixels))
};

// Every matrix of pixels by pixels has PadPixels(pixels) columns.
class HeadGradient {
 public:
  HeadGradient(const WindowAttention& attention, const WindowAttentionGradient& gradient)
      : a_(attention),
        g_(gradient),
        stride_(PadPixels(a_.pixels)),
        scale_(1.0f / std::sqrt(static_cast<float>(a_.channels))),
        query_(a_.pixels, a_.channels),
        key_(a_.pixels, a_.channels),
        value_(a_.pixels, a_.channels),
        out_(a_.pixels, a_.channels),
        weights_(a_.pixels * stride_),
        scores_(a_.pixels * stride_),
        weights_of_key_(a_.pixels * stride_),
        scores_of_key_(a_.pixels * stride_),
        results_(PadChannels(a_.channels) * stride_) {}

  void Run(int64_t window, int64_t head) {
    const int64_t part = a_.heads * a_.channels;  // from q to k to v
    const int64_t first = (window * a_.pixels * 3 * a_.heads + head) * a_.channels;
    const float* const out = g_.out_gradient + (window * a_.pixels * a_.heads + head) * a_.channels;
    for (int64_t i = 0; i < a_.pixels; ++i) {
      const float* const q = a_.qkv + first + i * 3 * part;
      query_.Set(i, q, a_.channels, stride_, scale_);
      key_.Set(i, q + part, a_.channels, stride_, 1);
      value_.Set(i, q + 2 * part, a_.channels, stride_, 1);
      out_.Set(i, out + i * part, a_.channels, stride_, 1);
    }
    const int64_t of_head = head * a_.pixels * stride_;
    const float* const side = a_.side == nullptr ? nullptr : a_.side + window * a_.pixels;
    for (int64_t i = 0; i < stride_; i += Width())
      Scores(i, a_.bias + of_head, side, g_.bias_gradient + of_head);
    Transpose(weights_, weights_of_key_);
    Transpose(scores_, scores_of_key_);

    float* const to = g_.qkv_gradient + first;
    MixAndStore(scores_, key_, scale_, to);
    MixAndStore(scores_of_key_, query_, 1, to + part);  // scaled already
    MixAndStore(weights_of_key_, out_, 1, to + 2 * part);
  }

 private:
  static int64_t Width() { return kVectors * static_cast<int64_t>(hn::Lanes(Tag())); }

  // A lane is a query, of [begin, begin + Width()): of every key its weight in the softmax, and
  // what the loss changes by with the score before it.
  void Scores(int64_t begin, const float* bias, const float* side, float* bias_gradient) {
    const Tag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    Products(key_, query_, begin, weights_);
    Products(value_, out_, begin, scores_);
    // Lanes beyond the last pixel hold what is never read.
    const int64_t count = std::min(Width(), a_.pixels - begin);
    if (side != nullptr) {
      for (int64_t j = 0; j < a_.pixels; ++j) {
        float* const score = weights_.data() + j * stride_ + begin;
        for (int64_t i = 0; i < count; ++i)
          if (side[begin + i] != side[j]) score[i] -= 100.0f;
      }
    }
    for (int64_t at = begin; at < begin + Width(); at += lanes) {
      Vec most = hn::Set(d, -3.0e38f);
      for (int64_t j = 0; j < a_.pixels; ++j) {
        float* const score = weights_.data() + j * stride_ + at;
        const Vec s = hn::Add(hn::Load(d, score), hn::LoadU(d, bias + j * stride_ + at));
        most = hn::Max(most, s);
        hn::Store(s, d, score);
      }
      Vec sum = hn::Zero(d);
      Vec mean = hn::Zero(d);  // of the changes by the weights, which the sum of weights holds back
      for (int64_t j = 0; j < a_.pixels; ++j) {
        float* const score = weights_.data() + j * stride_ + at;
        const Vec weight = hn::Exp(d, hn::Sub(hn::Load(d, score), most));
        sum = hn::Add(sum, weight);
        mean = hn::MulAdd(weight, hn::Load(d, scores_.data() + j * stride_ + at), mean);
        hn::Store(weight, d, score);
      }
      const Vec share = hn::Div(hn::Set(d, 1.0f), sum);
      mean = hn::Mul(mean, share);
      const auto inside = hn::FirstN(d, static_cast<size_t>(std::max<int64_t>(0, a_.pixels - at)));
      for (int64_t j = 0; j < a_.pixels; ++j) {
        const int64_t k = j * stride_ + at;
        const Vec weight = hn::Mul(hn::Load(d, weights_.data() + k), share);
        const Vec change = hn::Mul(weight, hn::Sub(hn::Load(d, scores_.data() + k), mean));
        hn::Store(weight, d, weights_.data() + k);
        hn::Store(change, d, scores_.data() + k);
        const Vec known = hn::LoadU(d, bias_gradient + k);
        hn::StoreU(hn::IfThenElse(inside, hn::Add(known, change), known), d, bias_gradient + k);
      }
    }
  }

  // Columns [begin, begin + Width()) of to = rows . lanes.
  void Products(const Factor& rows, const Factor& lanes, int64_t begin, AlignedVector<float>& to) {
    int64_t j = 0;
    for (; j + kRows <= a_.pixels; j += kRows) ProductsOf<kRows>(rows, lanes, j, begin, to);
    for (; j < a_.pixels; ++j) ProductsOf<1>(rows, lanes, j, begin, to);
  }
  template <int count>
  HWY_INLINE void ProductsOf(const Factor& rows, const Factor& lanes, int64_t j, int64_t begin,
                             AlignedVector<float>& to) {
    const Tag d;
    const auto n = static_cast<int64_t>(hn::Lanes(d));
    const int64_t padded = PadChannels(a_.channels);
    Vec sum[count][kVectors];
#pragma GCC unroll 4
    for (int k = 0; k < count; ++k) sum[k][0] = sum[k][1] = hn::Zero(d);
    const float* HWY_RESTRICT row = rows.rows.data() + j * padded;
    const float* HWY_RESTRICT lane = lanes.lanes.data() + begin;
    for (int64_t c = 0; c < a_.channels; ++c) {
      const Vec l0 = hn::Load(d, lane + c * stride_);
      const Vec l1 = hn::Load(d, lane + c * stride_ + n);
#pragma GCC unroll 4
      for (int k = 0; k < count; ++k) {
        const Vec one = hn::Set(d, row[k * padded + c]);
        sum[k][0] = hn::MulAdd(l0, one, sum[k][0]);
        sum[k][1] = hn::MulAdd(l1, one, sum[k][1]);
      }
    }
#pragma GCC unroll 4
    for (int k = 0; k < count; ++k) {
      float* const out = to.data() + (j + k) * stride_ + begin;
      hn::Store(sum[k][0], d, out);
      hn::Store(sum[k][1], d, out + n);
    }
  }

  void Transpose(const AlignedVector<float>& from, AlignedVector<float>& to) const {
    constexpr int64_t kBlock = 8;
    for (int64_t j = 0; j < a_.pixels; j += kBlock) {
      const int64_t end = std::min(a_.pixels, j + kBlock);
      for (int64_t i = 0; i < a_.pixels; ++i) {
        for (int64_t k = j; k < end; ++k) to[i * stride_ + k] = from[k * stride_ + i];
      }
    }
  }

  // Of the pixel of every lane the sum of all rows of `factor`, weighed by the lane's column of
  // `weights` and by `scale`, to its place in q, k or v.
  void MixAndStore(const AlignedVector<float>& weights, const Factor& factor, float scale,
                   float* to) {
    for (int64_t begin = 0; begin < stride_; begin += Width()) {
      for (int64_t c = 0; c < a_.channels; c += kChannels) Mix(weights, factor, scale, begin, c);
    }
    for (int64_t i = 0; i < a_.pixels; ++i) {
      float* const pixel = to + i * 3 * a_.heads * a_.channels;
      for (int64_t c = 0; c < a_.channels; ++c) pixel[c] = results_[c * stride_ + i];
    }
  }
  HWY_INLINE void Mix(const AlignedVector<float>& weights, const Factor& factor, float scale,
                      int64_t begin, int64_t c) {
    const Tag d;
    const auto n = static_cast<int64_t>(hn::Lanes(d));
    const int64_t padded = PadChannels(a_.channels);
    Vec sum[kChannels][kVectors];
#pragma GCC unroll 5
    for (int i = 0; i < kChannels; ++i) sum[i][0] = sum[i][1] = hn::Zero(d);
    const float* HWY_RESTRICT weight = weights.data() + begin;
    const float* HWY_RESTRICT row = factor.rows.data() + c;
    for (int64_t j = 0; j < a_.pixels; ++j, weight += stride_, row += padded) {
      const Vec w0 = hn::Load(d, weight);
      const Vec w1 = hn::Load(d, weight + n);
#pragma GCC unroll 5
      for (int i = 0; i < kChannels; ++i) {
        const Vec one = hn::Set(d, row[i]);
        sum[i][0] = hn::MulAdd(w0, one, sum[i][0]);
        sum[i][1] = hn::MulAdd(w1, one, sum[i][1]);
      }
    }
    const Vec scales = hn::Set(d, scale);
#pragma GCC unroll 5
    for (int i = 0; i < kChannels; ++i) {
      float* const out = results_.data() + (c + i) * stride_ + begin;
      hn::Store(hn::Mul(sum[i][0], scales), d, out);
      hn::Store(hn::Mul(sum[i][1], scales), d, out + n);
    }
  }

  const WindowAttention& a_;
  const WindowAttentionGradient& g_;
  const int64_t stride_;
  const float scale_;
  Factor query_, key_, value_;                           // the query times scale_
  Factor out_;                                           // of out_gradient
  AlignedVector<float> weights_, scores_;                // (key, query)
  AlignedVector<float> weights_of_key_, scores_of_key_;  // (query, key)
  AlignedVector<float> results_;                         // (channels, pixel)
};

void GradientOfAll(const WindowAttention& attention, const WindowAttentionGradient& gradient) {
  HeadGradient one(attention, gradient);
  for (int64_t window = 0; window < attention.windows; ++window) {
    for (int64_t head = 0; head < attention.heads; ++head) one.Run(window, head);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hiif::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "model/simd/isa.h"
namespace hiif::kernels {

HWY_EXPORT(GradientOfAll);

void AttendGradient(const WindowAttention& attention, const WindowAttentionGradient& gradient) {
  ActiveIsa();  // what the environment asks for, before the first dispatch
  HWY_DYNAMIC_DISPATCH(GradientOfAll)(attention, gradient);
}

}  // namespace hiif::kernels
#endif  // HWY_ONCE
