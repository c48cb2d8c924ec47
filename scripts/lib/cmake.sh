# Sourced by what calls cmake.
# shellcheck shell=bash

# of_system COMMAND...: a build with the system's packages. CMake looks for packages and protoc by PATH, beside and in every
# */bin: those of an active conda would come before /usr. conda's compilers come by variables.
of_system() (
  if [ -n "${CONDA_PREFIX:-}" ]; then
    for variable in $(compgen -e | grep -xE '(C|CXX|CPP|LD)FLAGS|CC|CXX|CMAKE_PREFIX_PATH|PKG_CONFIG(_PATH|_LIBDIR)?'); do
      case ${!variable} in *"$CONDA_PREFIX"*) unset "$variable" ;; esac
    done
  fi
  ccache_can_write || export CCACHE_DISABLE=1 HOME="${HOME:-/}"  # it asks for the home even so
  PATH=${CONDA_PREFIX:+/usr/bin:/bin:}$PATH "$@"
)

# ccache_can_write: where it cannot, as without a home, it fails every compilation. One that only reads has temporary files.
ccache_can_write() {
  command -v ccache >/dev/null || return 0
  local key folder
  for key in temporary_dir cache_dir; do
    folder=$(ccache -k "$key" 2>/dev/null) || return 1
    [ "$key $(ccache -k read_only)" != 'cache_dir true' ] || continue
    mkdir -p "$folder" 2>/dev/null && [ -w "$folder" ] || return 1
  done
}
