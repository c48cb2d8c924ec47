# One helper per kind of target. Every target sees the repository root and the generated protos' folder
# as include roots: #include "model/upscaler/upscaler.h". HIIF_WARNINGS: what the folder's code is warned of.

# hiif_library(NAME SOURCES ... [PUBLIC libs...] [PRIVATE libs...])
function(hiif_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${HIIF_WARNINGS} ${ARG_PRIVATE})
endfunction()

# hiif_binary(NAME SOURCES ... LIBS ...): a program in build/<preset>/bin.
function(hiif_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  string(REPLACE "-" "_" target "${name}_main")
  add_executable(${target} ${ARG_SOURCES})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  target_link_libraries(${target} PRIVATE ${HIIF_WARNINGS} ${ARG_LIBS})
endfunction()

# hiif_harden(TARGETS...): for what parses the bytes of strangers. Checked in the programs by tests/deploy/test_hardening.py.
function(hiif_harden)
  if(HIIF_SANITIZE)
    return()
  endif()
  set(fortify 2)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
    set(fortify 3)
  endif()
  foreach(target ${ARGN})
    target_compile_options(${target} PRIVATE -fstack-protector-strong
      $<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=${fortify}>)
    if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
      target_compile_options(${target} PRIVATE -fcf-protection)
    endif()
  endforeach()
endfunction()

# hiif_test(NAME SOURCES ... LIBS ... [LABELS ...]): a GoogleTest program, one CTest entry each.
# Tests run in the repository root; data beside the repository is found through tests/testing/paths.h. What they write
# (testing::TempDir()) goes to a folder of their own in the build.
function(hiif_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE hiif_warnings ${ARG_LIBS} GTest::gmock GTest::gtest_main)
  if(HIIF_SANITIZE)
    target_compile_definitions(${name} PRIVATE HIIF_SANITIZED)  # memory and time are not what they are
  endif()
  if(HIIF_SANITIZE MATCHES "thread")
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/testing/tsan_absl.cc)
    target_link_libraries(${name} PRIVATE absl::synchronization ${CMAKE_DL_LIBS})
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set(folder ${PROJECT_BINARY_DIR}/tests/tmp/${name})
  file(MAKE_DIRECTORY ${folder})
  set_tests_properties(${name} PROPERTIES LABELS "unit;${ARG_LABELS}" TIMEOUT 600 ENVIRONMENT TEST_TMPDIR=${folder})
endfunction()
