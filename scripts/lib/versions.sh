# Sourced: the one place for what is pinned. LibTorch comes from wheels of PyTorch.
# shellcheck shell=bash disable=SC2034
TORCH_VERSION=2.13.0
# The CUDA build that scripts/verify cuda-links tests and the Dockerfile's target cuda has.
CUDA_TORCH_VERSION=2.14.1
CUDA_TORCH_INDEX=https://download.pytorch.org/whl/cu130
