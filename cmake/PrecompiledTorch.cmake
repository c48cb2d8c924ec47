# hiif_precompile_torch(TARGETS...): ATen's headers, which take GCC a dozen seconds for each file that includes them, are
# read once, for hiif_checkpoint and all targets above it.
#
# Every file still includes what it uses: no other compiler, no sanitizer and no analysis (scripts/lint) gets this. ccache
# keeps such objects only where it need not look for __TIME__ and macros in what was precompiled.
option(HIIF_PRECOMPILE "Read the headers of LibTorch once (GCC)" ON)

function(hiif_precompile_torch)
  if(NOT HIIF_PRECOMPILE OR NOT CMAKE_CXX_COMPILER_ID STREQUAL GNU OR HIIF_SANITIZE)
    return()
  endif()
  foreach(target ${ARGN})
    if(target STREQUAL hiif_checkpoint)
      target_precompile_headers(${target} PRIVATE <ATen/ATen.h>)
    else()
      target_precompile_headers(${target} REUSE_FROM hiif_checkpoint)
      target_compile_options(${target} PRIVATE -fPIC)  # as there, also in programs: GCC takes it with the same flags alone
    endif()
    if(CCACHE)
      target_compile_options(${target} PRIVATE -fpch-preprocess)
      set_target_properties(${target} PROPERTIES
        CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros;${CCACHE}")
    endif()
  endforeach()
endfunction()
