// The HIIF decoder, folded (model/hiif/folded.h), behind its projected pixels (projector.h): a
// block of queries goes through all levels in the memory that a block of threads shares, while the
// weights stream by.
#ifndef MODEL_KERNELS_CUDA_DECODER_H_
#define MODEL_KERNELS_CUDA_DECODER_H_

#include <cmath>
#include <cstdint>

#include "model/kernels/cuda/product.h"

namespace hiif::kernels {

// What a block of threads shares.
template <class Block>
struct alignas(32) DecoderMemory {
  static constexpr int kRows = BlockRows<Block>::kRows;
  static constexpr int kStride = BlockRows<Block>::kStride;

  typename Block::Value x[kRows * kStride];
  typename Block::Value hidden[kRows * kStride];
  float scale[kRows];     // of the LayerNorm: 1 / sqrt(variance + eps)
  float row_bits[kRows];  // of the level
  float column_bits[kRows];
};

HIIF_DEVICE float Gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f)); }

HIIF_DEVICE float NormScale(float variance) {
  return 1.0f / sqrtf((variance > 0.0f ? variance : 0.0f) + 1e-5f);
}

template <class Block>
class Decoder {
 public:
  using Value = typename Block::Value;
  using Memory = DecoderMemory<Block>;
  static constexpr int kRows = Memory::kRows;

  // Of queries [first, first + kRows) of a group, as far as there are any.
  HIIF_DEVICE Decoder(const Block& block, const DecoderWeights& weights, const DecoderGroup& group,
                      int64_t first, Memory& memory)
      : block_(block), weights_(weights), group_(group), first_(first), memory_(memory) {}

  HIIF_DEVICE void Run() {
    Begin();
    const DecoderLevel& level0 = weights_.level[0];
    if (group_.rows_out != nullptr) {
      auto* out = static_cast<Value*>(group_.rows_out);
      Product(memory_.hidden, level0.fc2, level0.fc2_bias,
              [&](int row, int column, float first, float second) {
                if (first_ + row >= group_.count) return;
                Block::Put(out + (first_ + row) * kWidth + column, first, second);
              });
      return;
    }
    Product(memory_.hidden, level0.fc2, level0.fc2_bias, Into(memory_.x));
    HIIF_NO_UNROLL
    for (int i = 0; i < weights_.attention_blocks; ++i) Attend(i);
    HIIF_NO_UNROLL
    for (int i = 1; i < weights_.levels; ++i) {
      const DecoderLevel& level = weights_.level[i];
      Normalise(i);
      struct Extra {
        ColumnPair row_bit, column_bit, bias;
      };
      kernels::Product(
          block_, memory_.x, kStride, kWidth, level.fc1,
          [&](int column) {
            return Extra{PairAt(level.extra, column), PairAt(level.extra + kWidth, column),
                         PairAt(level.extra + 4 * kWidth, column)};
          },
          [&](const Extra& extra, int row, int column, float first, float second) {
            const float scale = memory_.scale[row];
            const float row_bit = memory_.row_bits[row];
            const float column_bit = memory_.column_bits[row];
            const auto hidden = [&](float sum, float of_row, float of_column, float bias) {
              return Gelu(scale * (sum + row_bit * of_row + column_bit * of_column) + bias);
            };
            Block::Put(
                memory_.hidden + row * kStride + column,
                hidden(first, extra.row_bit.first, extra.column_bit.first, extra.bias.first),
                hidden(second, extra.row_bit.second, extra.column_bit.second, extra.bias.second));
          });
      if (i + 1 == weights_.levels) break;
      Product(memory_.hidden, level.fc2, level.fc2_bias, Into(memory_.x));
    }
    Finish();
  }

 private:
  static constexpr int kWidth = Block::kWidth;
  static constexpr int kWarps = Block::kWarps;
  static constexpr int kLanes = Block::kLanes;
  static constexpr int kStride = Memory::kStride;

  // Beyond the last query: it again.
  HIIF_DEVICE DecoderQuery QueryOf(int row) const {
    const int64_t next = first_ + row;
    const int64_t i = next < group_.count ? next : group_.count - 1;
    if (group_.queries != nullptr) return group_.queries[i];
    const auto place = static_cast<uint32_t>(i);
    const DecoderAxis& r = group_.rows[place / group_.row_length];
    const DecoderAxis& c = group_.columns[place % group_.row_length];
    DecoderQuery query;
    float total = 0.0f;
    HIIF_UNROLL
    for (int k = 0; k < 4; ++k) {
      query.pixel[k] = r.place[k / 2] + c.place[k % 2];
      query.weight[k] = r.part[k / 2] * c.part[k % 2] + group_.added;
      total += query.weight[k];
    }
    if (group_.added != 0.0f) {
      HIIF_UNROLL
      for (int k = 0; k < 4; ++k) query.weight[k] /= total;
    }
    query.row_bits = r.bits;
    query.column_bits = c.bits;
    return query;
  }

  HIIF_DEVICE void SetBits(int row, int level) {
    const DecoderQuery query = QueryOf(row);
    memory_.row_bits[row] = static_cast<float>(query.row_bits >> level & 1);
    memory_.column_bits[row] = static_cast<float>(query.column_bits >> level & 1);
  }

  // Level 0 as far as its GELU, into `hidden`: the weighted sum of the neighbours' projections.
  HIIF_DEVICE void Begin() {
    const auto* slots = static_cast<const Value*>(group_.slots);
    const float* extra = weights_.level[0].extra;
    block_.Phase([&](int warp, int lane) {
      HIIF_NO_UNROLL
      for (int row = warp; row < kRows; row += kWarps) {
        const DecoderQuery query = QueryOf(row);
        const float row_bit = static_cast<float>(query.row_bits & 1);
        const float column_bit = static_cast<float>(query.column_bits & 1);
        const float* cell = group_.cell;
        float sum = cell[0] + cell[1] + row_bit + column_bit;
        float squares = cell[0] * cell[0] + cell[1] * cell[1] + row_bit + column_bit;
        HIIF_UNROLL
        for (int k = 0; k < 4; ++k) {
          sum += query.weight[k] * group_.sum[query.pixel[k]];
          squares += query.weight[k] * query.weight[k] * group_.sum_squares[query.pixel[k]];
        }
        constexpr float kInputs = 4 * kWidth + 4;
        const float mean = sum / kInputs;
        const float scale = NormScale(squares / kInputs - mean * mean);
        HIIF_UNROLL_SOME
        for (int column = 2 * lane; column < kWidth; column += 2 * kLanes) {
          const auto added = [&](int of) { return PairAt(extra + of * kWidth, column); };
          const ColumnPair bits[2] = {added(0), added(1)}, cells[2] = {added(2), added(3)};
          float first = row_bit * bits[0].first + column_bit * bits[1].first +
                        cell[0] * cells[0].first + cell[1] * cells[1].first;
          float second = row_bit * bits[0].second + column_bit * bits[1].second +
                         cell[0] * cells[0].second + cell[1] * cells[1].second;
          HIIF_UNROLL
          for (int k = 0; k < 4; ++k) {
            const int64_t slot = int64_t{query.pixel[k]} * 4 + k;
            const ColumnPair from = Block::Get(slots + slot * kWidth + column);
            first += query.weight[k] * from.first;
            second += query.weight[k] * from.second;
          }
          const ColumnPair bias = added(4);
          Block::Put(memory_.hidden + row * kStride + column, Gelu(scale * first + bias.first),
                     Gelu(scale * second + bias.second));
        }
      }
    });
  }

  HIIF_DEVICE void Attend(int i) {
    Product(memory_.x, group_.projection[i], group_.bias[i],
            [&](int row, int column, float first, float second) {
              Block::Put(memory_.hidden + row * kStride + column, Gelu(first), Gelu(second));
            });
    Product(memory_.hidden, weights_.proj2[i], weights_.proj2_bias[i],
            [&](int row, int column, float first, float second) {
              Value* x = memory_.x + row * kStride + column;
              const ColumnPair old = Block::Get(x);
              Block::Put(x, old.first + first, old.second + second);
            });
  }

  // The bits of a level, and the scale of its LayerNorm over x and them. Its mean is in fc1.
  HIIF_DEVICE void Normalise(int level) {
    block_.Phase([&](int warp, int lane) {
      HIIF_NO_UNROLL
      for (int row = warp; row < kRows; row += kWarps) {
        if (lane == 0) SetBits(row, level);
        block_.SyncWarp();
        const float ones = memory_.row_bits[row] + memory_.column_bits[row];
        const Value* x = memory_.x + row * kStride;
        float sum = 0.0f;
        HIIF_UNROLL
        for (int c = 2 * lane; c < kWidth; c += 2 * kLanes) {
          const ColumnPair pair = Block::Get(x + c);
          sum += pair.first + pair.second;
        }
        const float mean = (block_.WarpSum(sum) + ones) / (kWidth + 2);
        float squares = 0.0f;
        HIIF_UNROLL
        for (int c = 2 * lane; c < kWidth; c += 2 * kLanes) {
          const ColumnPair pair = Block::Get(x + c);
          squares += (pair.first - mean) * (pair.first - mean) +
                     (pair.second - mean) * (pair.second - mean);
        }
        squares = block_.WarpSum(squares) + ones * (1.0f - mean) * (1.0f - mean) +
                  (2.0f - ones) * mean * mean;
        if (lane == 0) memory_.scale[row] = NormScale(squares / (kWidth + 2));
      }
    });
  }

  // The last product, to three values.
  HIIF_DEVICE void Finish() {
    block_.Phase([&](int warp, int lane) {
      HIIF_NO_UNROLL
      for (int row = warp; row < kRows && first_ + row < group_.count; row += kWarps) {
        const Value* hidden = memory_.hidden + row * kStride;
        for (int c = 0; c < 3; ++c) {
          float sum = 0.0f;
          for (int i = lane; i < kWidth; i += kLanes) {
            sum += static_cast<float>(hidden[i]) * weights_.rgb[c * kWidth + i];
          }
          sum = block_.WarpSum(sum);
          if (lane == 0) group_.rgb[(first_ + row) * 3 + c] = sum + weights_.rgb_bias[c];
        }
      }
    });
  }

  // kRows rows of kWidth values x packed weights; finish(row, column, sum + bias, that of the next
  // column).
  template <class F>
  HIIF_DEVICE void Product(const Value* in, const void* packed, const float* bias,
                           const F& finish) {
    kernels::Product(
        block_, in, kStride, kWidth, packed, [&](int column) { return PairAt(bias, column); },
        [&](const ColumnPair& added, int row, int column, float first, float second) {
          finish(row, column, first + added.first, second + added.second);
        });
  }
  HIIF_DEVICE static auto Into(Value* to) {
    return [to](int row, int column, float first, float second) {
      Block::Put(to + row * kStride + column, first, second);
    };
  }

  const Block& block_;
  const DecoderWeights& weights_;
  const DecoderGroup& group_;
  const int64_t first_;
  Memory& memory_;
};

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_CUDA_DECODER_H_
