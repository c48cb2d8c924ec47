# hiif_embed(TARGET NAME FILE): the bytes of FILE as absl::string_view hiif::embedded::NAME(), declared in
# "embedded/NAME.h". As a script (-DNAME -DFILE -DOUT): writes both files.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${FILE} hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  file(WRITE ${OUT}.h "#pragma once\n#include \"absl/strings/string_view.h\"\nnamespace hiif::embedded {\n"
                      "absl::string_view ${NAME}();\n}\n")
  file(WRITE ${OUT}.cc "#include \"embedded/${NAME}.h\"\nnamespace hiif::embedded {\nnamespace {\n"
                       "constexpr unsigned char kBytes[] = {\n${hex}\n};\n}\n"
                       "absl::string_view ${NAME}() { return {reinterpret_cast<const char*>(kBytes), sizeof(kBytes)}; }\n}\n")
  return()
endif()

function(hiif_embed target name file)
  set(dir ${PROJECT_BINARY_DIR}/gen/embedded)
  add_custom_command(OUTPUT ${dir}/${name}.cc ${dir}/${name}.h
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DFILE=${CMAKE_CURRENT_SOURCE_DIR}/${file} -DOUT=${dir}/${name}
            -P ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file} ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
    COMMENT "embedding ${file}" VERBATIM)
  target_sources(${target} PRIVATE ${dir}/${name}.cc)
  target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/gen)
endfunction()
