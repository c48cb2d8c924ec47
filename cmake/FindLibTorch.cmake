# LibTorch from a Python wheel or from a LibTorch archive, as the imported target LibTorch::LibTorch.
#
# The wheel's own TorchConfig.cmake claims the name protobuf::libprotobuf and stops without a CUDA toolkit
# where the wheel is a CUDA build, so it is not used.
#
# Looked for in LIBTORCH_ROOT (a cache or environment variable: a folder with include/ and lib/), then in
# the virtual environment that scripts/setup makes, where it may lie unpacked.
file(GLOB _hiif_venv_torch "${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch"
  "${CMAKE_SOURCE_DIR}/.venv/libtorch/torch")
set(LIBTORCH_ROOT "" CACHE PATH "Folder of LibTorch, with include/ and lib/ in it")
set(_hiif_torch_roots ${LIBTORCH_ROOT} $ENV{LIBTORCH_ROOT} ${_hiif_venv_torch})

find_path(LibTorch_INCLUDE_DIR torch/torch.h
  PATHS ${_hiif_torch_roots} PATH_SUFFIXES include/torch/csrc/api/include NO_DEFAULT_PATH)
foreach(_lib torch torch_cpu c10)
  find_library(LibTorch_${_lib}_LIBRARY ${_lib}
    PATHS ${_hiif_torch_roots} PATH_SUFFIXES lib NO_DEFAULT_PATH)
endforeach()
foreach(_lib torch_cuda c10_cuda)
  find_library(LibTorch_${_lib}_LIBRARY ${_lib}
    PATHS ${_hiif_torch_roots} PATH_SUFFIXES lib NO_DEFAULT_PATH)
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_torch_LIBRARY LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY LibTorch_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run scripts/setup, or pass -DLIBTORCH_ROOT=<folder with include/ and lib/>")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  get_filename_component(_root "${LibTorch_INCLUDE_DIR}/../../../../.." ABSOLUTE)
  get_filename_component(LibTorch_LIBRARY_DIR "${LibTorch_c10_LIBRARY}" DIRECTORY)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  # libtorch.so only registers libtorch_cpu.so (and libtorch_cuda.so): --no-as-needed keeps the latter.
  set(_libs ${LibTorch_torch_cpu_LIBRARY} ${LibTorch_c10_LIBRARY})
  if(HIIF_CUDA AND NOT HIIF_CUDA_PRELOADED)
    if(NOT LibTorch_torch_cuda_LIBRARY)
      message(FATAL_ERROR "HIIF_CUDA is on, but this LibTorch has no libtorch_cuda.so: install a CUDA build of torch")
    endif()
    list(APPEND _libs -Wl,--no-as-needed ${LibTorch_torch_cuda_LIBRARY} ${LibTorch_c10_cuda_LIBRARY} -Wl,--as-needed)
  endif()
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_root}/include;${LibTorch_INCLUDE_DIR}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${_root}/include;${LibTorch_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "${_libs}")
endif()
mark_as_advanced(LibTorch_INCLUDE_DIR)
