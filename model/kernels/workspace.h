// Internal to model/kernels: the buffers of HiifDecoder.
#ifndef MODEL_KERNELS_WORKSPACE_H_
#define MODEL_KERNELS_WORKSPACE_H_

#include <algorithm>
#include <array>
#include <vector>

#include "model/kernels/hiif_decoder.h"

namespace hiif::kernels {

class HiifDecoder::Workspace {
 public:
  Workspace(int columns, int patch, Number arithmetic)
      : width(columns),
        number(arithmetic),
        patches(static_cast<size_t>(kBlockRows) * patch),
        x(static_cast<size_t>(kBlockRows) * columns),
        hidden(static_cast<size_t>(kBlockRows) * columns),
        kv(static_cast<size_t>(kBlockRows) * columns * 2),
        packed(static_cast<size_t>(kBlockRows) *
               std::max<int64_t>(columns, Units(arithmetic, patch))),
        packed_next(amx() ? packed.size() : 0) {}

  bool amx() const { return number.layout == Layout::kTiles; }

  void ClearStatistics() {
    sum.fill(0);
    sum_squares.fill(0);
  }

  // Rows of `width` values into `packed`.
  void Pack(const AlignedVector<float>& values, int64_t rows) {
    PackRows(values.data(), width, rows, width, number, packed.data());
  }

  // Rows into x, the last ones filled up by repeating, and packed.
  void Load(const float* rows_of_x, int64_t rows) {
    std::copy_n(rows_of_x, rows * width, x.data());
    for (int64_t row = rows; row < PadRows(rows); ++row) {
      std::copy_n(x.data() + (rows - 1) * width, width, x.data() + row * width);
    }
    Pack(x, PadRows(rows));
  }

  // `packed` times weights into x, or into `hidden`, which only the next product reads; and from
  // there into `packed`. AMX packs by itself, others from y.
  template <class Multiply>
  void Step(const PackedMatrix& weights, int64_t rows, AlignedVector<float>& y,
            const Multiply& multiply) {
    Product product = {&weights, rows, packed.data(), y.data(), width};
    if (amx()) {
      product.packed_y = packed_next.data();
      if (&y == &hidden) product.y = nullptr;
    }
    multiply(product);
    if (amx()) {
      packed.swap(packed_next);
    } else {
      Pack(y, rows);
    }
  }

  const int width;
  const Number number;
  AlignedVector<float> patches;  // 3x3 neighbourhoods of latent codes
  AlignedVector<float> x;
  AlignedVector<float> hidden;
  AlignedVector<float> kv;
  AlignedVector<uint32_t> packed;  // inputs of the product at work
  AlignedVector<uint32_t> packed_next;
  std::array<std::vector<float>, 4> level0_extra;  // by bits
  std::array<float, 2> cell{};
  std::array<float, kBlockRows> sum;
  std::array<float, kBlockRows> sum_squares;
  std::array<float, kBlockRows> mean;
  std::array<float, kBlockRows> scale;
  std::array<const float*, kBlockRows> extra;
  std::array<Gather, kBlockRows> gathers;
};

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_WORKSPACE_H_
