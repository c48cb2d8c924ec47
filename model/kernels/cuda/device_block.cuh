// The Block of product.h on a GPU: 32 lanes a warp, products by tensor cores (PTX: mma.m16n8k16 of
// 16 bits, mma.m16n8k8 of TF32), whose lanes have the values that PTX says.
#ifndef MODEL_KERNELS_CUDA_DEVICE_BLOCK_CUH_
#define MODEL_KERNELS_CUDA_DEVICE_BLOCK_CUH_

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "model/kernels/cuda/product.h"

namespace hiif::kernels {

// 16 x 16 sums as two products of 8 columns: a lane has two columns of each in rows g and g + 8.
struct TileSum {
  float values[2][4];
};

// Tiles of bfloat16 or float16.
template <class T>
struct Tiles {
  struct Left {
    uint32_t values[4];
  };
  struct Right {
    uint4 values;
  };

  static __device__ __forceinline__ void LoadLeft(Left& left, const T* from, int stride) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const T* row = from + lane % 16 * stride + lane / 16 * 8;
    const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(left.values[0]), "=r"(left.values[1]), "=r"(left.values[2]),
                   "=r"(left.values[3])
                 : "r"(address)
                 : "memory");
  }
  static __device__ __forceinline__ void LoadRight(Right& right, const T* from) {
    right.values = __ldg(reinterpret_cast<const uint4*>(from) + threadIdx.x % 32);
  }
  static __device__ __forceinline__ void MultiplyAdd(TileSum& sum, const Left& left,
                                                     const Right& right) {
    Multiply(sum.values[0], left, right.values.x, right.values.y);
    Multiply(sum.values[1], left, right.values.z, right.values.w);
  }

 private:
  static __device__ __forceinline__ void Multiply(float* sum, const Left& left, uint32_t b0,
                                                  uint32_t b1) {
    if constexpr (sizeof(T) == sizeof(__nv_bfloat16) && __is_same(T, __nv_bfloat16)) {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
          "{%8,%9}, {%0,%1,%2,%3};"
          : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
          : "r"(left.values[0]), "r"(left.values[1]), "r"(left.values[2]), "r"(left.values[3]),
            "r"(b0), "r"(b1));
    } else {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
          "{%8,%9}, {%0,%1,%2,%3};"
          : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
          : "r"(left.values[0]), "r"(left.values[1]), "r"(left.values[2]), "r"(left.values[3]),
            "r"(b0), "r"(b1));
    }
  }
};

// float32 as a product of three: a factor is the sum of two of TF32, of 11 bits each; what the two
// small parts make together is below the rounding of the sums.
template <>
struct Tiles<float> {
  struct Left {
    uint32_t high[4], low[4];
  };
  struct Right {
    float4 values;
  };

  static __device__ __forceinline__ uint32_t ToTf32(float value) {
    uint32_t out;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(out) : "f"(value));
    return out;
  }
  static __device__ __forceinline__ void Split(float value, uint32_t& high, uint32_t& low) {
    high = ToTf32(value);
    low = ToTf32(value - __uint_as_float(high));
  }
  static __device__ __forceinline__ void LoadLeft(Left& left, const float* from, int stride) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const float* first = from + lane / 4 * stride + lane % 4;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      Split(first[i % 2 * 8 * stride + i / 2 * 4], left.high[i], left.low[i]);
    }
  }
  static __device__ __forceinline__ void LoadRight(Right& right, const float* from) {
    right.values = __ldg(reinterpret_cast<const float4*>(from) + threadIdx.x % 32);
  }
  static __device__ __forceinline__ void MultiplyAdd(TileSum& sum, const Left& left,
                                                     const Right& right) {
    Multiply(sum.values[0], left, right.values.x, right.values.y);
    Multiply(sum.values[1], left, right.values.z, right.values.w);
  }

 private:
  static __device__ __forceinline__ void Multiply(float* sum, const Left& left, float b0, float b1) {
    uint32_t high[2], low[2];
    Split(b0, high[0], low[0]);
    Split(b1, high[1], low[1]);
    Multiply(sum, left.low, high);
    Multiply(sum, left.high, low);
    Multiply(sum, left.high, high);
  }
  static __device__ __forceinline__ void Multiply(float* sum, const uint32_t* a, const uint32_t* b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};

template <class T, int width, int row_tiles>
struct DeviceBlock : Tiles<T> {
  using Value = T;
  using Sum = TileSum;
  static constexpr int kWidth = width;
  static constexpr int kWarps = width / (2 * kTile);
  static constexpr int kRowTiles = row_tiles;
  static constexpr int kDepth = TileDepth(sizeof(T));
  static constexpr int kLanes = 32;
  static constexpr int kThreads = kWarps * kLanes;
  static constexpr int kPairs = 2;
  static constexpr int kRowsOfLane = 2;

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
  static __device__ __forceinline__ void Zero(Sum& sum) { sum = {}; }
  static __device__ __forceinline__ int ColumnOf(int lane, int pair) {
    return pair * 8 + lane % 4 * 2;
  }
  static __device__ __forceinline__ int RowOf(int lane, int row) { return lane / 4 + row * 8; }
  static __device__ __forceinline__ float At(const Sum& sum, int pair, int row, int which) {
    return sum.values[pair][row * 2 + which];
  }
  static __device__ __forceinline__ ColumnPair Get(const T* from) {
    if constexpr (__is_same(T, float)) {
      const float2 pair = *reinterpret_cast<const float2*>(from);
      return {pair.x, pair.y};
    } else if constexpr (__is_same(T, __half)) {
      const float2 pair = __half22float2(*reinterpret_cast<const __half2*>(from));
      return {pair.x, pair.y};
    } else {
      const float2 pair = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(from));
      return {pair.x, pair.y};
    }
  }
  static __device__ __forceinline__ void Put(T* to, float first, float second) {
    if constexpr (__is_same(T, float)) {
      *reinterpret_cast<float2*>(to) = {first, second};
    } else if constexpr (__is_same(T, __half)) {
      *reinterpret_cast<__half2*>(to) = __floats2half2_rn(first, second);
    } else {
      *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(first, second);
    }
  }
};

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_CUDA_DEVICE_BLOCK_CUH_
