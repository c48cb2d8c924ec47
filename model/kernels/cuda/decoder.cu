#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "model/kernels/cuda/device_block.cuh"
#include "model/kernels/cuda/launch.h"

namespace hiif::kernels {
namespace {

template <class Block>
__global__ void __launch_bounds__(Block::kThreads)
    DecodeKernel(const __grid_constant__ DecoderWeights weights, const DecoderGroup* groups) {
  extern __shared__ __align__(32) unsigned char memory[];
  const DecoderGroup& group = groups[blockIdx.y];
  const int64_t first = int64_t{blockIdx.x} * Decoder<Block>::kRows;
  if (first >= group.count) return;  // the whole block
  Decoder<Block>(Block(), weights, group, first, *reinterpret_cast<DecoderMemory<Block>*>(memory))
      .Run();
}

template <class Block>
cudaError_t Launch(const DecoderLaunch& launch) {
  constexpr int kBytes = sizeof(DecoderMemory<Block>);
  constexpr int64_t kRows = Decoder<Block>::kRows;
  // Beyond 48 KB shared memory is to be asked for.
  const cudaError_t error = cudaFuncSetAttribute(
      DecodeKernel<Block>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  if (error != cudaSuccess) return error;
  const dim3 blocks(static_cast<unsigned>((launch.largest_group + kRows - 1) / kRows),
                    static_cast<unsigned>(launch.group_count));
  DecodeKernel<Block><<<blocks, Block::kThreads, kBytes, static_cast<cudaStream_t>(launch.stream)>>>(
      launch.weights, launch.groups);
  return cudaGetLastError();
}

// 64 rows of 16 bits, 32 of float32: within the 99 KB that a block may have on every GPU since
// sm_80, so that two share a multiprocessor with more.
template <int width>
cudaError_t LaunchWidth(const DecoderLaunch& launch) {
  switch (launch.value) {
    case DecoderValue::kFloat32:
      return Launch<DeviceBlock<float, width, 2>>(launch);
    case DecoderValue::kBFloat16:
      return Launch<DeviceBlock<__nv_bfloat16, width, 4>>(launch);
    case DecoderValue::kFloat16:
      return Launch<DeviceBlock<__half, width, 4>>(launch);
  }
  return cudaErrorInvalidValue;
}

cudaError_t LaunchAny(const DecoderLaunch& launch) {
  const cudaError_t error = cudaSetDevice(launch.device);
  if (error != cudaSuccess) return error;
  switch (launch.width) {
    case 96:
      return LaunchWidth<96>(launch);
    case 256:
      return LaunchWidth<256>(launch);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

std::string LaunchDecoder(const DecoderLaunch& launch) {
  const cudaError_t error = LaunchAny(launch);
  return error == cudaSuccess ? "" : cudaGetErrorString(error);
}

}  // namespace hiif::kernels
