# Sourced: a CUDA compiler.
# shellcheck shell=bash

# find_nvcc [wheels]: the path of one: NVCC, the system's, or that of NVIDIA's wheels, which go into build/nvcc.
find_nvcc() {
  local folder=$ROOT/build/nvcc home versions="$CUDA_NVCC_VERSION $CUDA_RUNTIME_VERSION $CUDA_CCCL_VERSION"
  if [ -n "${NVCC:-}" ]; then echo "$NVCC"; return; fi
  if command -v nvcc >/dev/null && [ "${1:-}" != wheels ]; then command -v nvcc; return; fi
  # The compiler is there before all that it needs is.
  if [ "$(cat "$folder/complete" 2>/dev/null)" != "$versions" ]; then
    make_venv /usr/bin/python3 "$folder"
    "$folder/bin/python" -m pip --disable-pip-version-check install -q "nvidia-cuda-nvcc==$CUDA_NVCC_VERSION" \
      "nvidia-cuda-crt==$CUDA_NVCC_VERSION" "nvidia-nvvm==$CUDA_NVCC_VERSION" "nvidia-cuda-runtime==$CUDA_RUNTIME_VERSION" \
      "nvidia-cuda-cccl==$CUDA_CCCL_VERSION" >&2 ||
      die "no nvcc: install a CUDA toolkit, or let pip reach nvidia-cuda-nvcc"
    echo "$versions" >"$folder/complete"
  fi
  home=$(echo "$folder"/lib/python3*/site-packages/nvidia/cu13)
  echo "$home/bin/nvcc"
}
