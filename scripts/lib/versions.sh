# Sourced: the one place for what is pinned. LibTorch comes from wheels of PyTorch.
# shellcheck shell=bash disable=SC2034
TORCH_VERSION=2.13.0
# The CUDA build, as the Python Package Index has it, that scripts/verify cuda-links tests and the Dockerfile's target cuda has.
CUDA_TORCH_VERSION=2.14.1
# NVIDIA's wheels of the CUDA compiler, where the system has none, for model/kernels/cuda.
CUDA_NVCC_VERSION=13.0.88
CUDA_RUNTIME_VERSION=13.0.96
CUDA_CCCL_VERSION=13.0.85
# What bare GPU machines often have, and scripts/gpu-kit is built against.
GPU_TORCH_VERSION=2.11.0
CUDA_CUPTI_VERSION=13.0.85
