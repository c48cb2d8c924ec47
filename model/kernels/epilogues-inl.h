// What becomes of the sums of a product (gemm.h), for the instruction set that is being compiled.
// Each is called with two vectors of a row's sums, beside each other.
#if defined(MODEL_KERNELS_EPILOGUES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MODEL_KERNELS_EPILOGUES_INL_H_
#undef MODEL_KERNELS_EPILOGUES_INL_H_
#else
#define MODEL_KERNELS_EPILOGUES_INL_H_
#endif

#include "hwy/highway.h"
#include "model/kernels/gemm.h"

HWY_BEFORE_NAMESPACE();
namespace hiif::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<float, 16>;
using Vec = hn::Vec<Tag>;
using UnitTag = hn::Repartition<uint32_t, Tag>;
using UnitVec = hn::Vec<UnitTag>;

// gelu(v) = v * (1/2 + erf(v / sqrt 2) / 2). The odd function in brackets is a minimax polynomial
// on [-5.2, 5.2] in 2 (v / 5.2)^2 - 1, constant beyond: 1.5e-6 from the exact value, rounding
// included.
struct ExactGelu {
  static HWY_INLINE Vec Of(Vec v) {
    const Tag d;
    const Vec limit = hn::Set(d, 5.2f);
    const Vec x = hn::Max(hn::Min(v, limit), hn::Neg(limit));
    const Vec u = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 2.0f / (5.2f * 5.2f)), hn::Set(d, -1.0f));
    Vec p = hn::Set(d, 8.884112323e-04f);
    p = hn::MulAdd(p, u, hn::Set(d, -2.537892286e-03f));
    p = hn::MulAdd(p, u, hn::Set(d, 2.792569326e-03f));
    p = hn::MulAdd(p, u, hn::Set(d, -3.431242670e-03f));
    p = hn::MulAdd(p, u, hn::Set(d, 7.600628045e-03f));
    p = hn::MulAdd(p, u, hn::Set(d, -1.316094879e-02f));
    p = hn::MulAdd(p, u, hn::Set(d, 1.837568873e-02f));
    p = hn::MulAdd(p, u, hn::Set(d, -2.457447779e-02f));
    p = hn::MulAdd(p, u, hn::Set(d, 3.190803442e-02f));
    p = hn::MulAdd(p, u, hn::Set(d, -3.994374717e-02f));
    p = hn::MulAdd(p, u, hn::Set(d, 5.003021882e-02f));
    p = hn::MulAdd(p, u, hn::Set(d, -6.774331787e-02f));
    p = hn::MulAdd(p, u, hn::Set(d, 1.359499307e-01f));
    return hn::Mul(v, hn::MulAdd(x, p, hn::Set(d, 0.5f)));
  }
};

// One sum per row, added up as the columns pass by.
class RowSums {
 public:
  explicit RowSums(float* sums) : sums_(sums) {}
  HWY_INLINE void Add(int64_t row, Vec values) const {
    if (sums_ != nullptr) sums_[row] += hn::GetLane(hn::SumOfLanes(Tag(), values));
  }

 private:
  float* sums_;
};

// The same, as a vector of partial sums per row that is added up in the end. `rows` is a power of
// two, and rows are done with in groups of so many.
class LaneSums {
 public:
  LaneSums(float* sums, float* partial, int64_t rows)
      : sums_(sums), partial_(partial), mask_(rows - 1) {
    if (sums_ != nullptr) Clear();
  }
  HWY_INLINE void Add(int64_t row, Vec values) const {
    if (sums_ == nullptr) return;
    float* HWY_RESTRICT p = At(row);
    hn::Store(hn::Add(hn::Load(Tag(), p), values), Tag(), p);
  }
  // All columns of rows [begin, end) have passed.
  void Finish(int64_t begin, int64_t end) const {
    if (sums_ == nullptr) return;
    for (int64_t row = begin; row < end; ++row) {
      sums_[row] += hn::GetLane(hn::SumOfLanes(Tag(), hn::Load(Tag(), At(row))));
    }
    Clear();
  }

 private:
  float* At(int64_t row) const {
    return partial_ + (row & mask_) * static_cast<int64_t>(hn::MaxLanes(Tag()));
  }
  void Clear() const {
    for (int64_t row = 0; row <= mask_; ++row) hn::Store(hn::Zero(Tag()), Tag(), At(row));
  }
  float* sums_;
  float* partial_;
  int64_t mask_;
};

// Two vectors of a row of the result, as float32 where `y` is not null.
struct Output {
  float* HWY_RESTRICT y;
  HWY_INLINE Vec Load(int64_t i) const { return hn::LoadU(Tag(), y + i * hn::Lanes(Tag())); }
  HWY_INLINE void Store(Vec v0, Vec v1) const {
    if (y == nullptr) return;
    hn::StoreU(v0, Tag(), y);
    hn::StoreU(v1, Tag(), y + hn::Lanes(Tag()));
  }
};

// The sums of row `row` at columns [column, column + 2 lanes) plus the bias ...
template <class Sums>
struct Bias {
  const float* bias;
  Sums sum;
  Sums sum_squares;
  template <class Out>
  HWY_INLINE void operator()(Vec acc0, Vec acc1, int64_t row, int64_t column, Out out) const {
    const Tag d;
    const Vec v0 = hn::Add(acc0, hn::LoadU(d, bias + column));
    const Vec v1 = hn::Add(acc1, hn::LoadU(d, bias + column + hn::Lanes(d)));
    out.Store(v0, v1);
    sum.Add(row, hn::Add(v0, v1));
    sum_squares.Add(row, hn::MulAdd(v0, v0, hn::Mul(v1, v1)));
  }
  HWY_INLINE void Finish(int64_t begin, int64_t end) const {
    sum.Finish(begin, end);
    sum_squares.Finish(begin, end);
  }
};

// ... through the GELU,
template <class Gelu>
struct BiasGelu {
  const float* bias;
  template <class Out>
  HWY_INLINE void operator()(Vec acc0, Vec acc1, int64_t, int64_t column, Out out) const {
    const Tag d;
    out.Store(Gelu::Of(hn::Add(acc0, hn::LoadU(d, bias + column))),
              Gelu::Of(hn::Add(acc1, hn::LoadU(d, bias + column + hn::Lanes(d)))));
  }
  HWY_INLINE void Finish(int64_t, int64_t) const {}
};

// ... and what is there,
template <class Sums>
struct BiasResidual {
  const float* bias;
  Sums sum;
  Sums sum_squares;
  template <class Out>
  HWY_INLINE void operator()(Vec acc0, Vec acc1, int64_t row, int64_t column, Out out) const {
    Bias<Sums>{bias, sum, sum_squares}(hn::Add(acc0, out.Load(0)), hn::Add(acc1, out.Load(1)), row,
                                       column, out);
  }
  HWY_INLINE void Finish(int64_t begin, int64_t end) const {
    sum.Finish(begin, end);
    sum_squares.Finish(begin, end);
  }
};

// ... kept as the sum of its squares alone.
template <class Sums>
struct Squares {
  const float* bias;
  Sums sum_squares;
  template <class Out>
  HWY_INLINE void operator()(Vec acc0, Vec acc1, int64_t row, int64_t column, Out) const {
    const Tag d;
    const Vec v0 = hn::Add(acc0, hn::LoadU(d, bias + column));
    const Vec v1 = hn::Add(acc1, hn::LoadU(d, bias + column + hn::Lanes(d)));
    sum_squares.Add(row, hn::MulAdd(v0, v0, hn::Mul(v1, v1)));
  }
  HWY_INLINE void Finish(int64_t begin, int64_t end) const { sum_squares.Finish(begin, end); }
};

// FoldedNorm of gemm.h.
template <class Gelu, class Sums>
struct NormGelu {
  FoldedNorm norm;
  Sums sum;
  HWY_INLINE Vec At(Vec acc, int64_t row, int64_t column) const {
    const Tag d;
    const Vec with_extra = hn::Add(acc, hn::LoadU(d, norm.extra[row] + column));
    const Vec centred = hn::NegMulAdd(hn::Set(d, norm.mean[row]),
                                      hn::LoadU(d, norm.column_sum + column), with_extra);
    return Gelu::Of(
        hn::MulAdd(hn::Set(d, norm.scale[row]), centred, hn::LoadU(d, norm.bias + column)));
  }
  template <class Out>
  HWY_INLINE void operator()(Vec acc0, Vec acc1, int64_t row, int64_t column, Out out) const {
    const Tag d;
    const Vec v0 = At(acc0, row, column);
    const Vec v1 = At(acc1, row, column + hn::Lanes(d));
    out.Store(v0, v1);
    if (norm.sum == nullptr) return;
    sum.Add(row, hn::MulAdd(v0, hn::LoadU(d, norm.sum_weights + column),
                            hn::Mul(v1, hn::LoadU(d, norm.sum_weights + column + hn::Lanes(d)))));
  }
  HWY_INLINE void Finish(int64_t begin, int64_t end) const { sum.Finish(begin, end); }
};

}  // namespace HWY_NAMESPACE
}  // namespace hiif::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard per target
