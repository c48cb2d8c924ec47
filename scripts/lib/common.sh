# Sourced by the scripts of this folder: where things are, and how to say things.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
unset CDPATH  # cd prints where it led, also into $(cd ...)
# pip is for environments of our own: what a user's configuration says of other places is not for them.
export PIP_USER=0
unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON

CALLER=$PWD
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VENV=$ROOT/.venv
BIN=$ROOT/build/release/bin
cd "$ROOT"

# from_caller PATH: a path that was given on the command line; relative ones are the caller's, who may stand elsewhere.
from_caller() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$CALLER/$1" ;; esac; }
# make_venv PYTHON FOLDER: an environment with pip. One without it is what a `venv` that was interrupted left, and is made anew.
make_venv() { "$2/bin/python" -m pip --version >/dev/null 2>&1 || "$1" -m venv --clear "$2"; }
# need_torch: what imports torch in Python needs it in .venv, which may have been made without.
need_torch() {
  local there='import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'
  "$VENV/bin/python" -c "$there" 2>/dev/null && return
  scripts/setup
  "$VENV/bin/python" -c "$there" || die "there is no torch for Python in .venv: scripts/setup without LIBTORCH_ROOT installs it"
}
# git_lists_files: not where an archive was unpacked, nor, until git is told so, in a folder of somebody else's.
git_lists_files() { git ls-files --error-unmatch scripts/test >/dev/null 2>&1; }
say() { printf '\033[1m== %s\033[0m\n' "$*" | { if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }; }
# The program that builds images here, if there is one: docker with its daemon running, else podman.
image_builder() { if docker info >/dev/null 2>&1; then echo docker; else command -v podman; fi; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
