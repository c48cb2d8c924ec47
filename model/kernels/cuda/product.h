// Products of a block of threads, written once over a `Block`, which is a machine's threads and
// products of tiles: device_block.cuh has CUDA's tensor cores, host_block.h plain loops, by which
// the arithmetic of indices is tested where there is no GPU. Neither CUDA nor LibTorch is needed.
//
// A Block has
//   Value                   of factors and of rows between products; products add up in float
//   kWidth, kWarps          of the decoder; warps of a block, each has kWidth / kWarps columns
//   kRowTiles               a block has 16 kRowTiles queries
//   kDepth                  rows of a packed tile of weights
//   Left, Right, Sum        tiles: 16 x kDepth, kDepth x 16, and 16 x 16 sums
//   kLanes                  of a warp, which share its work
//   Phase(f)                f(warp, lane) by every thread; returns when all have
//   SyncWarp(), WarpSum()   within a phase
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
  static constexpr int kSumStride = kTile + 4;
  // Of the tile that a warp is finishing.
  using Sums = float[Block::kWarps][kTile * kSumStride];
};

// kRows rows of `inputs` values, a multiple of Block::kDepth, x packed weights: each warp computes
// its columns of all rows, and calls finish(row, column, sum) for each of its values. `finish` must
// not write what `in` is.
template <class Block, class F>
HIIF_DEVICE void Product(const Block& block, const typename Block::Value* in, int stride,
                         int inputs, const void* packed, typename BlockRows<Block>::Sums& shared,
                         const F& finish) {
  constexpr int kSumStride = BlockRows<Block>::kSumStride;
  constexpr int kColumnTiles = Block::kWidth / Block::kWarps / kTile;  // of a warp
  constexpr int kTileValues = Block::kDepth * kTile;
  static_assert(Block::kWidth % (Block::kWarps * kTile) == 0 &&
                Block::kWidth % Block::kDepth == 0);
  const auto* weights = static_cast<const typename Block::Value*>(packed);
  block.Phase([&](int warp, int lane) {
    typename Block::Sum sums[Block::kRowTiles][kColumnTiles];
    typename Block::Right right[kColumnTiles];
    HIIF_UNROLL
    for (int i = 0; i < Block::kRowTiles; ++i) {
      HIIF_UNROLL
      for (int j = 0; j < kColumnTiles; ++j) Block::Zero(sums[i][j]);
    }
    HIIF_UNROLL_SOME
    for (int k = 0; k < inputs / Block::kDepth; ++k) {
      HIIF_UNROLL
      for (int j = 0; j < kColumnTiles; ++j) {
        const int tile = k * (Block::kWidth / kTile) + warp * kColumnTiles + j;
        Block::LoadRight(right[j], weights + tile * kTileValues);
      }
      HIIF_UNROLL
      for (int i = 0; i < Block::kRowTiles; ++i) {
        typename Block::Left left;
        Block::LoadLeft(left, in + i * kTile * stride + k * Block::kDepth, stride);
        HIIF_UNROLL
        for (int j = 0; j < kColumnTiles; ++j) Block::MultiplyAdd(sums[i][j], left, right[j]);
      }
    }
    // Which lane has which value of a tile is the machine's secret: by way of shared memory.
    float* tile = shared[warp];
    HIIF_UNROLL
    for (int i = 0; i < Block::kRowTiles; ++i) {
      HIIF_UNROLL
      for (int j = 0; j < kColumnTiles; ++j) {
        Block::Store(tile, kSumStride, sums[i][j]);
        block.SyncWarp();
        const int column = (warp * kColumnTiles + j) * kTile;
        HIIF_UNROLL_SOME
        for (int e = lane; e < kTile * kTile; e += Block::kLanes) {
          finish(i * kTile + e / kTile, column + e % kTile,
                 tile[e / kTile * kSumStride + e % kTile]);
        }
        block.SyncWarp();
      }
    }
  });
}

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_CUDA_PRODUCT_H_
