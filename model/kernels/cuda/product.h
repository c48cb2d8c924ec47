// Products of a block of threads, written once over a `Block`, which is a machine's threads and
// products of tiles: device_block.cuh has CUDA's tensor cores, host_block.h plain loops, by which
// the arithmetic of indices is tested where there is no GPU. Neither CUDA nor LibTorch is needed.
//
// A Block has
//   Value                   of factors and of rows between products; products add up in float
//   kWidth, kWarps          of the decoder; warps of a block, each has kWidth / kWarps columns
//   kRowTiles               a block has 16 kRowTiles queries
//   kDepth                  rows of a packed tile of weights
//   Left, Right, Sum        tiles: 16 x kDepth, kDepth x 16, and 16 x 16 sums, of which a lane has
//   kPairs, kRowsOfLane     kPairs pairs of columns in kRowsOfLane rows: At(sum, pair, row, 0 or 1)
//   ColumnOf(), RowOf()     is the value in that column (or the next) and row of the tile
//   kLanes                  of a warp, which share its work
//   Phase(f)                f(warp, lane) by every thread; returns when all have
//   SyncWarp(), WarpSum()   within a phase
//   Get(), Put()            two values next to each other, the first at an even place
#ifndef MODEL_KERNELS_CUDA_PRODUCT_H_
#define MODEL_KERNELS_CUDA_PRODUCT_H_

#include <cstdint>

#include "model/kernels/cuda/decoder_data.h"

#ifdef __CUDACC__
#define HIIF_DEVICE __device__ __forceinline__
#define HIIF_UNROLL _Pragma("unroll")
#define HIIF_UNROLL_SOME _Pragma("unroll 2")
#define HIIF_NO_UNROLL _Pragma("unroll 1")
#else
#define HIIF_DEVICE inline
#define HIIF_UNROLL
#define HIIF_UNROLL_SOME
#define HIIF_NO_UNROLL
#endif

namespace hiif::kernels {

template <class Block>
struct BlockRows {
  static constexpr int kRows = kTile * Block::kRowTiles;
  // 16 bytes more than a row, so that the rows of a tile begin in different banks.
  static constexpr int kPad = 16 / static_cast<int>(sizeof(typename Block::Value));
  static constexpr int kStride = Block::kWidth + kPad;
};

// kRows rows of `inputs` values, a multiple of Block::kDepth, x packed weights. Each warp computes
// its columns of all rows, and calls finish(of_columns(column), row, column, sum, sum of the next
// column) for each pair of its values. `finish` must not write what `in` is.
template <class Block, class OfColumns, class Finish>
HIIF_DEVICE void Product(const Block& block, const typename Block::Value* in, int stride,
                         int inputs, const void* packed, const OfColumns& of_columns,
                         const Finish& finish) {
  constexpr int kColumnTiles = Block::kWidth / Block::kWarps / kTile;  // of a warp
  constexpr int kTileValues = Block::kDepth * kTile;
  static_assert(Block::kWidth % (Block::kWarps * kTile) == 0 && Block::kWidth % Block::kDepth == 0);
  const auto* weights = static_cast<const typename Block::Value*>(packed);
  block.Phase([&](int warp, int lane) {
    typename Block::Sum sums[Block::kRowTiles][kColumnTiles];
    // Weights come from afar: those of the next step are on their way.
    typename Block::Right right[kColumnTiles], next[kColumnTiles];
    HIIF_UNROLL
    for (int i = 0; i < Block::kRowTiles; ++i) {
      HIIF_UNROLL
      for (int j = 0; j < kColumnTiles; ++j) Block::Zero(sums[i][j]);
    }
    const auto load = [&](int k, typename Block::Right* to) {
      HIIF_UNROLL
      for (int j = 0; j < kColumnTiles; ++j) {
        const int tile = k * (Block::kWidth / kTile) + warp * kColumnTiles + j;
        Block::LoadRight(to[j], weights + tile * kTileValues);
      }
    };
    load(0, next);
    const int steps = inputs / Block::kDepth;
    HIIF_UNROLL_SOME
    for (int k = 0; k < steps; ++k) {
      HIIF_UNROLL
      for (int j = 0; j < kColumnTiles; ++j) right[j] = next[j];
      load(k + 1 < steps ? k + 1 : k, next);
      HIIF_UNROLL
      for (int i = 0; i < Block::kRowTiles; ++i) {
        typename Block::Left left;
        Block::LoadLeft(left, in + i * kTile * stride + k * Block::kDepth, stride);
        HIIF_UNROLL
        for (int j = 0; j < kColumnTiles; ++j) Block::MultiplyAdd(sums[i][j], left, right[j]);
      }
    }
    HIIF_UNROLL
    for (int j = 0; j < kColumnTiles; ++j) {
      HIIF_UNROLL
      for (int pair = 0; pair < Block::kPairs; ++pair) {
        const int column = (warp * kColumnTiles + j) * kTile + Block::ColumnOf(lane, pair);
        const auto constants = of_columns(column);
        HIIF_UNROLL
        for (int i = 0; i < Block::kRowTiles; ++i) {
          HIIF_UNROLL
          for (int r = 0; r < Block::kRowsOfLane; ++r) {
            finish(constants, i * kTile + Block::RowOf(lane, r), column,
                   Block::At(sums[i][j], pair, r, 0), Block::At(sums[i][j], pair, r, 1));
          }
        }
      }
    }
  });
}

// What a column adds, of two next to each other.
struct ColumnPair {
  float first, second;
};
HIIF_DEVICE ColumnPair PairAt(const float* values, int column) {
  return {values[column], values[column + 1]};
}

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_CUDA_PRODUCT_H_
