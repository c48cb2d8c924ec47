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
# tests_pass PYTHON ARGUMENT...: pytest's arguments. A test that is skipped proves nothing, but where IPv6 or npm is missing.
tests_pass() {
  local python=$1 log status=0
  shift
  log=$(mktemp)
  "$python" -m pytest -q -rs --color=no -o timeout=600 "$@" | tee "$log" || status=1
  ! grep '^SKIPPED' "$log" | grep -v -e 'no IPv6' -e 'no npm' -e 'npm ci:' || status=1
  rm -f "$log"
  return $status
}
# own_venv NAME PACKAGE...: build/venvs/NAME, for what .venv should not have; it sees .venv's packages behind its own. Made
# once, for these packages and what the files of requirements among them (-r FILE) say; $OWN_VENV is its path.
own_venv() {
  local purelib='import sysconfig; print(sysconfig.get_paths()["purelib"])' wanted argument
  OWN_VENV=build/venvs/$1
  shift
  wanted=$(printf '%s\n' "$*"; for argument in "$@"; do [ ! -f "$argument" ] || cat "$argument"; done)
  [ "$(cat "$OWN_VENV/packages" 2>/dev/null)" != "$wanted" ] || return 0
  rm -f "$OWN_VENV/packages"
  make_venv "$VENV/bin/python" "$OWN_VENV"
  "$VENV/bin/python" -c "$purelib" >"$("$OWN_VENV/bin/python" -c "$purelib")/shared.pth"
  "$OWN_VENV/bin/python" -m pip install -q --disable-pip-version-check "$@" || return 1
  printf '%s' "$wanted" >"$OWN_VENV/packages"
}
