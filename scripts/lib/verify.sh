# Sourced by the scripts of scripts/verify.d.
# shellcheck shell=bash disable=SC2034
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SHARED=${HIIF_SHARED:-$ROOT/../shared}

# need PATH: the figure cannot be measured without it.
need() { [ -e "$1" ] || die "needs $1, which is not here"; }
# built TARGET...: builds them quietly.
built() { scripts/build release "$@" >/dev/null || die "building $* failed"; }
# verdict NAME 0|1 TEXT: the last line, and the exit status.
verdict() {
  if [ "$2" = 0 ]; then printf '%s: ok: %s\n' "$1" "$3"; else printf '%s: FALLS SHORT: %s\n' "$1" "$3"; fi
  exit "$2"
}
