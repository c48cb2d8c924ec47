// The Block of product.h on a GPU: 32 lanes a warp, products by tensor cores.
#ifndef MODEL_KERNELS_CUDA_DEVICE_BLOCK_CUH_
#define MODEL_KERNELS_CUDA_DEVICE_BLOCK_CUH_

#include <mma.h>

#include "model/kernels/cuda/product.h"

namespace hiif::kernels {

// Tiles of bfloat16 or float16.
template <class T>
struct Tiles {
  using Sum = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float>;
  using Left =
      nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 16, T, nvcuda::wmma::row_major>;
  using Right =
      nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 16, T, nvcuda::wmma::col_major>;

  static __device__ __forceinline__ void LoadLeft(Left& left, const T* from, int stride) {
    nvcuda::wmma::load_matrix_sync(left, from, stride);
  }
  static __device__ __forceinline__ void LoadRight(Right& right, const T* from) {
    nvcuda::wmma::load_matrix_sync(right, from, 16);
  }
  static __device__ __forceinline__ void MultiplyAdd(Sum& sum, const Left& left,
                                                     const Right& right) {
    nvcuda::wmma::mma_sync(sum, left, right, sum);
  }
};

// float32 as a product of three: a factor is the sum of two of TF32, of 11 bits each; what the two
// small parts make together is below the rounding of the sums.
template <>
struct Tiles<float> {
  template <class Part>
  struct Split {
    Part high, low;
  };
  using Sum = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 8, float>;
  using Left =
      Split<nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 8, nvcuda::wmma::precision::tf32,
                                   nvcuda::wmma::row_major>>;
  using Right =
      Split<nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 8, nvcuda::wmma::precision::tf32,
                                   nvcuda::wmma::col_major>>;

  template <class Part>
  static __device__ __forceinline__ void SplitUp(Split<Part>& tile) {
#pragma unroll
    for (int i = 0; i < tile.high.num_elements; ++i) {
      const float value = tile.high.x[i];
      tile.high.x[i] = nvcuda::wmma::__float_to_tf32(value);
      tile.low.x[i] = nvcuda::wmma::__float_to_tf32(value - tile.high.x[i]);
    }
  }
  static __device__ __forceinline__ void LoadLeft(Left& left, const float* from, int stride) {
    nvcuda::wmma::load_matrix_sync(left.high, from, stride);
    SplitUp(left);
  }
  static __device__ __forceinline__ void LoadRight(Right& right, const float* from) {
    nvcuda::wmma::load_matrix_sync(right.high, from, 8);
    SplitUp(right);
  }
  static __device__ __forceinline__ void MultiplyAdd(Sum& sum, const Left& left,
                                                     const Right& right) {
    nvcuda::wmma::mma_sync(sum, left.low, right.high, sum);
    nvcuda::wmma::mma_sync(sum, left.high, right.low, sum);
    nvcuda::wmma::mma_sync(sum, left.high, right.high, sum);
  }
};

template <class T, int width, int row_tiles>
struct DeviceBlock : Tiles<T> {
  using Value = T;
  using typename Tiles<T>::Sum;
  static constexpr int kWidth = width;
  static constexpr int kWarps = width / (2 * kTile);
  static constexpr int kRowTiles = row_tiles;
  static constexpr int kDepth = TileDepth(sizeof(T));
  static constexpr int kLanes = 32;
  static constexpr int kThreads = kWarps * kLanes;

  template <class F>
  __device__ __forceinline__ void Phase(const F& f) const {
    f(static_cast<int>(threadIdx.x) / kLanes, static_cast<int>(threadIdx.x) % kLanes);
    __syncthreads();
  }
  __device__ __forceinline__ void SyncWarp() const { __syncwarp(); }
  __device__ __forceinline__ float WarpSum(float value) const {
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      value += __shfl_xor_sync(0xffffffffu, value, distance);
    }
    return value;
  }
  static __device__ __forceinline__ void Zero(Sum& sum) { nvcuda::wmma::fill_fragment(sum, 0.0f); }
  static __device__ __forceinline__ void Store(float* to, int stride, const Sum& sum) {
    nvcuda::wmma::store_matrix_sync(to, sum, stride, nvcuda::wmma::mem_row_major);
  }
};

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_CUDA_DEVICE_BLOCK_CUH_
