// Products by AMX, Intel's matrix instructions: tiles of 16 rows x 64 bytes, of which one
// instruction multiplies two of bfloat16 and adds to one of float32. Highway has no target with
// them, so they are written as instructions; HasAmx() of gemm.h tells whether they may be used.
//
// A tile of sums goes through memory to what is done with it. The two take about as long, so that
// is interleaved: while the tiles of a block are multiplied, the vector units finish the block
// before.
#if defined(MODEL_KERNELS_AMX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MODEL_KERNELS_AMX_INL_H_
#undef MODEL_KERNELS_AMX_INL_H_
#else
#define MODEL_KERNELS_AMX_INL_H_
#endif

#include <algorithm>
#include <iterator>

#include "hwy/highway.h"
#include "model/kernels/epilogues-inl.h"
#include "model/kernels/gemm.h"
#include "model/kernels/units.h"

#if HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace hiif::kernels {
namespace HWY_NAMESPACE {

inline constexpr int64_t kAmxTile = 16;             // rows, and units of 32 bits in a row
inline constexpr int64_t kAmxBlock = 2 * kAmxTile;  // rows and columns of a block: 2 x 2 tiles
static_assert(kAmxBlock == kAmxRows && kAmxBlock == 2 * kPanelColumns);

struct alignas(64) AmxConfig {
  constexpr AmxConfig() {
    for (int i = 0; i < 8; ++i) {
      bytes_of_row[i] = 4 * kAmxTile;
      rows[i] = kAmxTile;
    }
  }
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t bytes_of_row[16] = {};
  uint8_t rows[16] = {};
};

// The tile registers, all of the full size, as long as this lives.
class AmxTiles {
 public:
  AmxTiles() {
    static constexpr AmxConfig kConfig;
    asm volatile("ldtilecfg %0" : : "m"(kConfig));
  }
  ~AmxTiles() { asm volatile("tilerelease"); }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;
};

template <int kRegister>
HWY_INLINE void ZeroTile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kRegister));
}
template <int kRegister>
HWY_INLINE void LoadTile(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kRegister));
}
template <int kRegister>
HWY_INLINE void StoreTile(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
               :
               : "r"(to), "r"(stride), "i"(kRegister)
               : "memory");
}
// sums += rows x weights
template <int kSums, int kRows, int kWeights>
HWY_INLINE void MultiplyTiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSums), "i"(kRows), "i"(kWeights));
}

// Two vectors as 32 bfloat16, in order.
HWY_INLINE void StoreBFloat16(Vec v0, Vec v1, uint32_t* to) {
  asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(v0.raw) : "v"(v0.raw), "v"(v1.raw));
  hn::StoreU(v0, Tag(), reinterpret_cast<float*>(to));
}

// The GELU for results that are rounded to bfloat16: its bracket (ExactGelu) to 1e-4, of which
// bfloat16 keeps 2e-3. A minimax polynomial in v^2 on [-3.9, 3.9], constant beyond.
struct ShortGelu {
  static HWY_INLINE Vec Of(Vec v) {
    const Tag d;
    const Vec limit = hn::Set(d, 3.9f);
    Vec x;  // the smaller magnitude, with the sign of v
    asm("vrangeps $2, %2, %1, %0" : "=v"(x.raw) : "v"(v.raw), "v"(limit.raw));
    const Vec s = hn::Mul(x, x);
    Vec p = hn::Set(d, 3.214939146e-08f);
    p = hn::MulAdd(p, s, hn::Set(d, -2.075323961e-06f));
    p = hn::MulAdd(p, s, hn::Set(d, 5.740232896e-05f));
    p = hn::MulAdd(p, s, hn::Set(d, -9.056368501e-04f));
    p = hn::MulAdd(p, s, hn::Set(d, 9.218767765e-03f));
    p = hn::MulAdd(p, s, hn::Set(d, -6.556460748e-02f));
    p = hn::MulAdd(p, s, hn::Set(d, 3.986083973e-01f));
    return hn::Mul(v, hn::MulAdd(x, p, hn::Set(d, 0.5f)));
  }
};

// What bfloat16 leaves of a vector. Not of infinities and NaN, for which that is NaN.
HWY_INLINE Vec LeftOfBFloat16(Vec v) {
  const UnitTag d;
  const UnitVec bits = hn::BitCast(d, v);
  const UnitVec odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1));
  const UnitVec rounded =
      hn::And(hn::Add(bits, hn::Add(odd, hn::Set(d, 0x7fff))), hn::Set(d, 0xffff0000u));
  return hn::Sub(v, hn::BitCast(Tag(), rounded));
}

// The two kinds of factors.
struct AmxBFloat16 {
  using Gelu = ShortGelu;
  static constexpr int kParts = 1;  // of a factor
  // (part of the inputs, part of the weights) of each product.
  static constexpr int kProducts[1][2] = {{0, 0}};
};
struct AmxFloat32 {
  using Gelu = ExactGelu;
  static constexpr int kParts = 2;
  static constexpr int kProducts[3][2] = {{1, 0}, {0, 1}, {0, 0}};  // the small ones first
};
template <class F>
HWY_INLINE void WithAmxNumber(Number number, const F& f) {
  if (number.arithmetic == Arithmetic::kSplit) {
    f(AmxFloat32());
  } else {
    f(AmxBFloat16());
  }
}

// As Output, and where `packed` is not null as inputs of the next product; the second part of a
// factor lies `part` units behind the first.
template <class Of>
struct PackingOutput {
  float* HWY_RESTRICT y;
  uint32_t* HWY_RESTRICT packed;
  int64_t part;
  HWY_INLINE Vec Load(int64_t i) const { return Output{y}.Load(i); }
  HWY_INLINE void Store(Vec v0, Vec v1) const {
    Output{y}.Store(v0, v1);
    if (packed == nullptr) return;
    StoreBFloat16(v0, v1, packed);
    if (Of::kParts == 2) StoreBFloat16(LeftOfBFloat16(v0), LeftOfBFloat16(v1), packed + part);
  }
};

// Rows one behind the other, padded with zeros.
inline void PackRowsAmx(const float* values, int64_t stride, int64_t rows, int64_t inputs,
                        Number number, uint32_t* HWY_RESTRICT packed) {
  const Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t units = Units(number, inputs);
  const int64_t part = Units(Number::kAmxBFloat16, inputs);
  WithAmxNumber(number, [&](auto of) HWY_ATTR {
    using Of = decltype(of);
    for (int64_t row = 0; row < rows; ++row, values += stride, packed += units) {
      int64_t u = 0;
      for (; 2 * u + 2 * lanes <= inputs; u += lanes) {
        PackingOutput<Of>{nullptr, packed + u, part}.Store(hn::LoadU(d, values + 2 * u),
                                                           hn::LoadU(d, values + 2 * u + lanes));
      }
      for (; u < part; ++u) {
        for (int64_t v = u; v < units; v += part) packed[v] = MakeUnit(number, values, v, inputs);
      }
    }
  });
}

// A block whose sums wait for what is done with them.
struct AmxPending {
  const float* sums = nullptr;  // rows of kAmxBlock
  int64_t row = 0;
  int64_t rows = 0;
  int64_t column = 0;
};

template <class Of, class Epilogue>
class AmxFinisher {
 public:
  AmxFinisher(const Product& product, const Epilogue& epilogue)
      : product_(product), epilogue_(epilogue) {}

  // All of the block before must be done.
  HWY_INLINE void Begin(const AmxPending& pending) {
    pending_ = pending;
    done_ = 0;
  }
  // Goes on to row `end` of the block.
  HWY_INLINE void Until(int64_t end) {
    const Tag d;
    const int64_t stop = std::min(end, pending_.rows);
    for (; done_ < stop; ++done_) {
      const int64_t row = pending_.row + done_;
      const float* sums = pending_.sums + done_ * kAmxBlock;
      const int64_t part = product_.weights->padded_outputs() / 2;
      const PackingOutput<Of> out = {
          product_.y == nullptr ? nullptr : product_.y + row * product_.y_stride + pending_.column,
          product_.packed_y == nullptr
              ? nullptr
              : product_.packed_y + row * part * Of::kParts + pending_.column / 2,
          part};
      epilogue_(hn::Load(d, sums), hn::Load(d, sums + kAmxTile), row, pending_.column, out);
    }
  }
  // To its end; where that was the last of a row of blocks, sums over columns are ready.
  HWY_INLINE void End() {
    Until(kAmxBlock);
    if (pending_.rows > 0 && pending_.column + kAmxBlock >= product_.weights->padded_outputs()) {
      epilogue_.Finish(pending_.row, pending_.row + pending_.rows);
    }
  }

 private:
  const Product& product_;
  const Epilogue& epilogue_;
  AmxPending pending_;
  int64_t done_ = 0;
};

// kRowTiles x 2 tiles of sums. `units` of each part; parts of a row, and of a panel, follow each
// other after `part` units.
template <class Of, int kRowTiles, class Finisher>
HWY_INLINE void AmxBlockSums(const uint32_t* rows, const uint32_t* panel, int64_t part,
                             int64_t units, Finisher& finisher, float* sums) {
  ZeroTile<0>();
  ZeroTile<1>();
  if (kRowTiles == 2) {
    ZeroTile<2>();
    ZeroTile<3>();
  }
  const int64_t a_units = part * Of::kParts;
  const int64_t b_panel = a_units * kPanelColumns;
  const int64_t steps = units / kAmxTile * static_cast<int64_t>(std::size(Of::kProducts));
  int64_t step = 0;
  for (const auto& [of_rows, of_weights] : Of::kProducts) {
    const uint32_t* a = rows + of_rows * part;
    const uint32_t* b = panel + of_weights * part * kPanelColumns;
    for (int64_t u = 0; u < units; u += kAmxTile) {
      LoadTile<6>(b, 4 * kPanelColumns);
      LoadTile<4>(a, 4 * a_units);
      MultiplyTiles<0, 4, 6>();
      LoadTile<7>(b + b_panel, 4 * kPanelColumns);
      MultiplyTiles<1, 4, 7>();
      if (kRowTiles == 2) {
        LoadTile<5>(a + kAmxTile * a_units, 4 * a_units);
        MultiplyTiles<2, 5, 6>();
        MultiplyTiles<3, 5, 7>();
      }
      a += kAmxTile;
      b += kAmxTile * kPanelColumns;
      finisher.Until(++step * kAmxBlock / steps);
    }
  }
  finisher.End();
  StoreTile<0>(sums, 4 * kAmxBlock);
  StoreTile<1>(sums + kAmxTile, 4 * kAmxBlock);
  if (kRowTiles == 2) {
    StoreTile<2>(sums + kAmxTile * kAmxBlock, 4 * kAmxBlock);
    StoreTile<3>(sums + kAmxTile * kAmxBlock + kAmxTile, 4 * kAmxBlock);
  }
}

template <class Of, class Epilogue>
HWY_INLINE void MultiplyAmx(Of, const Product& product, const Epilogue& epilogue,
                            bool triangle = false) {
  const AmxTiles tiles;
  asm volatile("" : : : "memory");  // what the tiles load has been written
  alignas(64) float sums[2][kAmxBlock * kAmxBlock];
  const PackedMatrix& weights = *product.weights;
  const int64_t part = weights.units() / Of::kParts;
  AmxFinisher<Of, Epilogue> finisher(product, epilogue);
  int turn = 0;
  for (int64_t row = 0; row < product.rows; row += kAmxBlock) {
    const int64_t rows = std::min<int64_t>(kAmxBlock, product.rows - row);
    for (int64_t column = 0; column < weights.padded_outputs(); column += kAmxBlock) {
      const int64_t first = triangle ? std::min<int64_t>(column / 2, part) : 0;
      const uint32_t* a = product.packed + row * weights.units() + first;
      const uint32_t* b = weights.panel(column / kPanelColumns) + first * kPanelColumns;
      if (rows > kAmxTile) {
        AmxBlockSums<Of, 2>(a, b, part, part - first, finisher, sums[turn]);
      } else {
        AmxBlockSums<Of, 1>(a, b, part, part - first, finisher, sums[turn]);
      }
      finisher.Begin({sums[turn], row, rows, column});
      turn ^= 1;
    }
  }
  finisher.End();
}

// Partial sums of the rows of a block.
struct AmxLaneSums {
  LaneSums For(float* out) { return LaneSums(out, partial, kAmxBlock); }
  alignas(64) float partial[kAmxBlock * kAmxTile];
};

}  // namespace HWY_NAMESPACE
}  // namespace hiif::kernels
HWY_AFTER_NAMESPACE();
#endif  // HWY_AVX3

#endif  // include guard per target
