# cmake --install, with GNU directories, and packages by CPack.
#
# Component runtime: hiif-server, its hiif-decoder, and hiif, the libraries of LibTorch that they load, models, manual pages, completions;
# tools: hiif-train, hiif-eval, hiif-data; service (HIIF_SYSTEMD): the systemd unit and /etc/hiif/server.json.
option(HIIF_SYSTEMD "Install a systemd unit and its configuration" OFF)

set(HIIF_PRIVATE_LIBDIR ${CMAKE_INSTALL_LIBDIR}/hiif)
file(RELATIVE_PATH _hiif_libraries /${CMAKE_INSTALL_BINDIR} /${HIIF_PRIVATE_LIBDIR})
set(_hiif_tools hiif_train_main)
if(HIIF_SERVICE)
  list(APPEND _hiif_tools hiif_eval_main hiif_data_main)
  set(_hiif_programs hiif_server_main hiif_decoder_main hiif_main)
  install(TARGETS ${_hiif_programs} RUNTIME COMPONENT runtime)
endif()
# The preset programs may have built hiif-server and hiif alone.
install(TARGETS ${_hiif_tools} RUNTIME COMPONENT tools OPTIONAL)
set_target_properties(${_hiif_programs} ${_hiif_tools} PROPERTIES INSTALL_RPATH "$ORIGIN/${_hiif_libraries}")

# What no package of the system has: LibTorch and what lies beside it.
if(HIIF_SERVICE)
  set(_hiif_linked hiif_server_main)
else()
  set(_hiif_linked hiif_train_main)
endif()
install(CODE "
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES \"$<TARGET_FILE:${_hiif_linked}>\"
    RESOLVED_DEPENDENCIES_VAR libraries UNRESOLVED_DEPENDENCIES_VAR missing
    POST_EXCLUDE_REGEXES \"^/(usr/)?lib(64)?/\")
  foreach(library IN LISTS libraries)
    get_filename_component(name \"\${library}\" NAME)
    file(INSTALL \"\${library}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${HIIF_PRIVATE_LIBDIR}\"
      TYPE SHARED_LIBRARY FOLLOW_SYMLINK_CHAIN)
    if(CMAKE_INSTALL_DO_STRIP AND NOT name MATCHES \"cuda|cudnn|nvrtc\")
      execute_process(COMMAND ${CMAKE_STRIP} --strip-unneeded
        \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${HIIF_PRIVATE_LIBDIR}/\${name}\" COMMAND_ERROR_IS_FATAL ANY)
    endif()
  endforeach()" COMPONENT runtime)

if(HIIF_SERVICE)
  # Not what scripts/get-liif fetched.
  install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/hiif/models COMPONENT runtime
    FILES_MATCHING PATTERN "*.safetensors" PATTERN "edsr-baseline-liif.safetensors" EXCLUDE)
  install(FILES LICENSE NOTICE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
  file(GLOB _hiif_torch_licences ${LibTorch_LIBRARY_DIR}/../../torch-*.dist-info/licenses)
  if(_hiif_torch_licences)
    install(DIRECTORY ${_hiif_torch_licences}/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/libtorch COMPONENT runtime)
  endif()
  # The programs write their own manual pages and completions.
  set(_hiif_zsh ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions/_hiif)
  set(_hiif_fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d/hiif.fish)
  install(CODE "
    function(write file)
      get_filename_component(folder \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/\${file}\" DIRECTORY)
      file(MAKE_DIRECTORY \"\${folder}\")
      execute_process(COMMAND \${ARGN} OUTPUT_FILE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/\${file}\" COMMAND_ERROR_IS_FATAL ANY)
      # As install(FILES) makes them, whatever the umask.
      file(CHMOD \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/\${file}\" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
      message(STATUS \"Installing: \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/\${file}\")
    endfunction()
    set(hiif \"$<TARGET_FILE:hiif_main>\")
    write(${CMAKE_INSTALL_MANDIR}/man1/hiif.1 \${hiif} man)
    write(${CMAKE_INSTALL_DATADIR}/bash-completion/completions/hiif \${hiif} completion bash)
    write(${_hiif_zsh} \${hiif} completion zsh)
    write(${_hiif_fish} \${hiif} completion fish)
    find_program(HELP2MAN help2man)
    if(HELP2MAN)
      write(${CMAKE_INSTALL_MANDIR}/man8/hiif-server.8 \${HELP2MAN} --no-info --section 8
        --name \"gRPC service that enlarges images\" \"$<TARGET_FILE:hiif_server_main>\")
    endif()" COMPONENT runtime)
endif()

if(HIIF_SYSTEMD)
  configure_file(packaging/systemd/hiif-server.service.in hiif-server.service @ONLY)
  configure_file(packaging/systemd/server.json.in server.json @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/hiif-server.service DESTINATION lib/systemd/system COMPONENT service)
  install(FILES ${PROJECT_BINARY_DIR}/server.json DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/hiif COMPONENT service)
endif()

set(CPACK_PACKAGE_VENDOR hiif-serve)
set(CPACK_PACKAGE_CONTACT "The hiif-serve authors <hiif-serve@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "gRPC service that enlarges images by any factor (HIIF)")
set(CPACK_PACKAGE_DESCRIPTION "hiif-server enlarges images by arbitrary, also different horizontal and vertical, factors with
HIIF, an implicit image function on an encoder's latent codes. hiif is its command line, which needs no server
running. Models are included.")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON)  # /etc is not below the prefix
set(CPACK_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime service)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_NAME hiif-serve)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)  # xz is a third smaller and takes minutes
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${LibTorch_LIBRARY_DIR})
# Fonts and certificates are looked for at run time, not linked.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates, fonts-dejavu-core, init-system-helpers")
# AVIF is a plugin since Debian 13.
if(EXISTS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/libheif/plugins)
  string(APPEND CPACK_DEBIAN_PACKAGE_DEPENDS ", libheif-plugin-aomdec, libheif-plugin-aomenc")
endif()
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/deb/postinst
  ${PROJECT_SOURCE_DIR}/packaging/deb/prerm ${PROJECT_SOURCE_DIR}/packaging/deb/postrm
  ${PROJECT_SOURCE_DIR}/packaging/deb/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
