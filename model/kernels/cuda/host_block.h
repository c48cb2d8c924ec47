// The Block of product.h on a CPU, by plain loops: slow, and the same indices as on a GPU. A warp
// is one lane here, and warps run one after the other.
#ifndef MODEL_KERNELS_CUDA_HOST_BLOCK_H_
#define MODEL_KERNELS_CUDA_HOST_BLOCK_H_

#include <memory>
#include <vector>

#include "model/kernels/cuda/decoder.h"
#include "model/kernels/cuda/projector.h"

namespace hiif::kernels {

template <class T, int width, int row_tiles>
struct HostBlock {
  using Value = T;
  static constexpr int kWidth = width;
  static constexpr int kWarps = width / (2 * kTile);
  static constexpr int kRowTiles = row_tiles;
  static constexpr int kDepth = TileDepth(sizeof(T));
  static constexpr int kLanes = 1;
  struct Left {
    float values[kTile][kDepth];
  };
  struct Right {
    float values[kDepth][kTile];
  };
  struct Sum {
    float values[kTile][kTile];
  };

  template <class F>
  void Phase(const F& f) const {
    for (int warp = 0; warp < kWarps; ++warp) f(warp, 0);
  }
  void SyncWarp() const {}
  float WarpSum(float value) const { return value; }

  static void Zero(Sum& sum) { sum = {}; }
  static void LoadLeft(Left& left, const T* from, int stride) {
    for (int i = 0; i < kTile; ++i) {
      for (int k = 0; k < kDepth; ++k) left.values[i][k] = static_cast<float>(from[i * stride + k]);
    }
  }
  static void LoadRight(Right& right, const T* from) {
    for (int k = 0; k < kDepth; ++k) {
      for (int j = 0; j < kTile; ++j) {
        right.values[k][j] = static_cast<float>(from[PlaceInTile(k, j, kDepth)]);
      }
    }
  }
  static void MultiplyAdd(Sum& sum, const Left& left, const Right& right) {
    for (int i = 0; i < kTile; ++i) {
      for (int k = 0; k < kDepth; ++k) {
        for (int j = 0; j < kTile; ++j) {
          sum.values[i][j] += left.values[i][k] * right.values[k][j];
        }
      }
    }
  }
  // The only lane has all values.
  static constexpr int kPairs = kTile / 2;
  static constexpr int kRowsOfLane = kTile;
  static int ColumnOf(int, int pair) { return 2 * pair; }
  static int RowOf(int, int row) { return row; }
  static float At(const Sum& sum, int pair, int row, int which) {
    return sum.values[row][2 * pair + which];
  }
  static ColumnPair Get(const T* from) {
    return {static_cast<float>(from[0]), static_cast<float>(from[1])};
  }
  static void Put(T* to, float first, float second) {
    to[0] = T(first);
    to[1] = T(second);
  }
};

// All groups, block after block.
template <class Block>
void ProjectOnHost(const DecoderWeights& weights, const DecoderGroup* groups, int count) {
  struct alignas(32) Aligned {
    unsigned char bytes[32];
  };
  std::vector<Aligned> memory(ProjectorBytes<Block>(weights.patch_inputs) / sizeof(Aligned) + 1);
  for (int i = 0; i < count; ++i) {
    for (int64_t first = 0; first < groups[i].pixel_count; first += Projector<Block>::kRows) {
      Projector<Block>(Block(), weights, groups[i], first, memory.data()).Run();
    }
  }
}

template <class Block>
void DecodeOnHost(const DecoderWeights& weights, const DecoderGroup* groups, int count) {
  const auto memory = std::make_unique<DecoderMemory<Block>>();
  for (int i = 0; i < count; ++i) {
    for (int64_t first = 0; first < groups[i].count; first += Decoder<Block>::kRows) {
      Decoder<Block>(Block(), weights, groups[i], first, *memory).Run();
    }
  }
}

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_CUDA_HOST_BLOCK_H_
