// Low-resolution pixels, projected: the 3 x 3 neighbourhood of a pixel's latent codes to features,
// and these to what level 0 adds up for each slot (decoder.h). Over a `Block` of product.h.
#ifndef MODEL_KERNELS_CUDA_PROJECTOR_H_
#define MODEL_KERNELS_CUDA_PROJECTOR_H_

#include "model/kernels/cuda/product.h"

namespace hiif::kernels {

// What a block of threads shares; behind it kRows rows of patches.
template <class Block>
struct alignas(32) ProjectorMemory {
  typename Block::Value features[BlockRows<Block>::kRows * BlockRows<Block>::kStride];
};

template <class Block>
constexpr int ProjectorBytes(int patch_inputs) {
  using Rows = BlockRows<Block>;
  return static_cast<int>(sizeof(ProjectorMemory<Block>)) +
         Rows::kRows * (patch_inputs + Rows::kPad) *
             static_cast<int>(sizeof(typename Block::Value));
}

template <class Block>
class Projector {
 public:
  using Value = typename Block::Value;
  static constexpr int kRows = BlockRows<Block>::kRows;

  // Of pixels [first, first + kRows) of a group, as far as there are any. `memory` has
  // ProjectorBytes().
  HIIF_DEVICE Projector(const Block& block, const DecoderWeights& weights,
                        const DecoderGroup& group, int64_t first, void* memory)
      : block_(block),
        weights_(weights),
        group_(group),
        first_(first),
        memory_(*static_cast<ProjectorMemory<Block>*>(memory)),
        patches_(reinterpret_cast<Value*>(&memory_ + 1)),
        stride_(weights.patch_inputs + BlockRows<Block>::kPad) {}

  HIIF_DEVICE void Run() {
    Gather();
    Product(
        block_, patches_, stride_, weights_.patch_inputs, weights_.freq,
        [&](int column) { return PairAt(weights_.freq_bias, column); },
        [&](const ColumnPair& bias, int row, int column, float first, float second) {
          Block::Put(memory_.features + row * kStride + column, first + bias.first,
                     second + bias.second);
        });
    Sums();
    auto* slots = static_cast<Value*>(group_.slots);
    HIIF_NO_UNROLL
    for (int slot = 0; slot < 4; ++slot) {
      Product(
          block_, memory_.features, kStride, weights_.features, weights_.slots[slot],
          [](int) { return ColumnPair{}; },
          [&](const ColumnPair&, int row, int column, float first, float second) {
            const int64_t pixel = first_ + row;
            if (pixel >= group_.pixel_count) return;
            Block::Put(slots + (pixel * 4 + slot) * kWidth + column, first, second);
          });
    }
  }

 private:
  static constexpr int kWidth = Block::kWidth;
  static constexpr int kStride = BlockRows<Block>::kStride;

  // Zero beyond the image. Beyond the last pixel: it again.
  HIIF_DEVICE void Gather() {
    const auto* codes = static_cast<const Value*>(group_.codes);
    const int channels = weights_.channels;
    block_.Phase([&](int warp, int lane) {
      HIIF_NO_UNROLL
      for (int row = warp; row < kRows; row += Block::kWarps) {
        const int64_t next = first_ + row;
        const int32_t pixel =
            group_.pixels[next < group_.pixel_count ? next : group_.pixel_count - 1];
        const int32_t y = pixel / group_.width;
        const int32_t x = pixel % group_.width;
        Value* patch = patches_ + row * stride_;
        HIIF_NO_UNROLL
        for (int tap = 0; tap < 9; ++tap) {
          const int32_t from_y = y + tap / 3 - 1;
          const int32_t from_x = x + tap % 3 - 1;
          const bool inside =
              from_y >= 0 && from_y < group_.height && from_x >= 0 && from_x < group_.width;
          const Value* from = codes + (int64_t{from_y} * group_.width + from_x) * channels;
          for (int c = lane; c < channels; c += Block::kLanes) {
            patch[tap * channels + c] = inside ? from[c] : Value(0.0f);
          }
        }
        for (int i = 9 * channels + lane; i < weights_.patch_inputs; i += Block::kLanes) {
          patch[i] = Value(0.0f);
        }
      }
    });
  }

  HIIF_DEVICE void Sums() {
    block_.Phase([&](int warp, int lane) {
      HIIF_NO_UNROLL
      for (int row = warp; row < kRows && first_ + row < group_.pixel_count; row += Block::kWarps) {
        float sum = 0.0f;
        float squares = 0.0f;
        for (int c = 2 * lane; c < kWidth; c += 2 * Block::kLanes) {
          const ColumnPair pair = Block::Get(memory_.features + row * kStride + c);
          sum += pair.first + pair.second;
          squares += pair.first * pair.first + pair.second * pair.second;
        }
        sum = block_.WarpSum(sum);
        squares = block_.WarpSum(squares);
        if (lane != 0) continue;
        group_.sum[first_ + row] = sum;
        group_.sum_squares[first_ + row] = squares;
      }
    });
  }

  const Block& block_;
  const DecoderWeights& weights_;
  const DecoderGroup& group_;
  const int64_t first_;
  ProjectorMemory<Block>& memory_;
  Value* const patches_;
  const int stride_;
};

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_CUDA_PROJECTOR_H_
