# Sourced: a CUDA compiler.
# shellcheck shell=bash

# find_nvcc [wheels]: the path of one: NVCC, the system's, or that of NVIDIA's wheels, which go into build/nvcc.
find_nvcc() {
  local folder=$ROOT/build/nvcc home
  if [ -n "${NVCC:-}" ]; then echo "$NVCC"; return; fi
  if command -v nvcc >/dev/null && [ "${1:-}" != wheels ]; then command -v nvcc; return; fi
  home=$(echo "$folder"/lib/python3*/site-packages/nvidia/cu13)
  if [ ! -x "$home/bin/nvcc" ]; then
    make_venv /usr/bin/python3 "$folder"
    "$folder/bin/python" -m pip --disable-pip-version-check install -q "nvidia-cuda-nvcc==$CUDA_NVCC_VERSION" \
      "nvidia-cuda-crt==$CUDA_NVCC_VERSION" "nvidia-nvvm==$CUDA_NVCC_VERSION" "nvidia-cuda-runtime==$CUDA_RUNTIME_VERSION" \
      "nvidia-cuda-cccl==$CUDA_CCCL_VERSION" >&2 ||
      die "no nvcc: install a CUDA toolkit, or let pip reach nvidia-cuda-nvcc"
    home=$(echo "$folder"/lib/python3*/site-packages/nvidia/cu13)
  fi
  echo "$home/bin/nvcc"
}
