#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "model/kernels/cuda/decoder.h"
#include "model/kernels/cuda/device_block.cuh"
#include "model/kernels/cuda/launch.h"
#include "model/kernels/cuda/projector.h"

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
__global__ void __launch_bounds__(Block::kThreads, 1)
    ProjectKernel(const __grid_constant__ DecoderWeights weights, const DecoderGroup* groups) {
  extern __shared__ __align__(32) unsigned char memory[];
  const DecoderGroup& group = groups[blockIdx.y];
  const int64_t first = int64_t{blockIdx.x} * Projector<Block>::kRows;
  if (first >= group.pixel_count) return;  // the whole block
  Projector<Block>(Block(), weights, group, first, memory).Run();
}

// Blocks of `rows` of the largest group's `count`, for each group.
template <class Kernel>
cudaError_t Start(Kernel kernel, const DecoderLaunch& launch, int threads, int64_t count, int rows,
                  int bytes) {
  // Beyond 48 KB shared memory is to be asked for.
  const cudaError_t error =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  const dim3 blocks(static_cast<unsigned>((count + rows - 1) / rows),
                    static_cast<unsigned>(launch.group_count));
  kernel<<<blocks, threads, bytes, static_cast<cudaStream_t>(launch.stream)>>>(launch.weights,
                                                                              launch.groups);
  return cudaGetLastError();
}

// `project` has half the rows of `decode`: its patches are wide.
template <class Project, class Decode>
cudaError_t Launch(const DecoderLaunch& launch) {
  const cudaError_t error =
      Start(ProjectKernel<Project>, launch, Project::kThreads, launch.largest_pixels,
            Projector<Project>::kRows, ProjectorBytes<Project>(launch.weights.patch_inputs));
  if (error != cudaSuccess) return error;
  return Start(DecodeKernel<Decode>, launch, Decode::kThreads, launch.largest_group,
               Decoder<Decode>::kRows, sizeof(DecoderMemory<Decode>));
}

// 64 rows of 16 bits, 32 of float32: within kBlockBytes.
template <int width>
cudaError_t LaunchWidth(const DecoderLaunch& launch) {
  switch (launch.value) {
    case DecoderValue::kFloat32:
      return Launch<DeviceBlock<float, width, 1>, DeviceBlock<float, width, 2>>(launch);
    case DecoderValue::kBFloat16:
      return Launch<DeviceBlock<__nv_bfloat16, width, 2>, DeviceBlock<__nv_bfloat16, width, 4>>(
          launch);
    case DecoderValue::kFloat16:
      return Launch<DeviceBlock<__half, width, 2>, DeviceBlock<__half, width, 4>>(launch);
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
