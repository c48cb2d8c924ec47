# Sourced by what runs in a bare Debian of its own: debootstrap's minbase with ca-certificates and git. It gets this
# machine's package mirror, pip configuration, proxies and certificates, and nothing else of it.
# shellcheck shell=bash
umask 022  # its users read its files, whatever its maker's others may

# Unpacked systems are kept here as tarballs: the second run of a suite takes seconds to begin.
CHROOT_CACHE=${HIIF_CHROOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hiif-chroots}
# What in_chroot mounts: SOURCE:TARGET, read-only with :ro behind it.
CHROOT_BINDS=()
# Variables that in_chroot sets: NAME=VALUE.
CHROOT_ENV=()

# chroot_reason: why there can be none here; empty where there can.
chroot_reason() {
  if [ "$(id -u)" != 0 ]; then echo "needs root, for debootstrap and chroot"
  elif ! command -v debootstrap >/dev/null || ! command -v apt-get >/dev/null; then echo "needs debootstrap: scripts/setup --test"
  elif ! unshare --mount --pid --fork true 2>/dev/null; then echo "needs mount namespaces, which this machine forbids"
  fi
}

# chroot_sources SUITE: this machine's Debian sources, for another suite.
chroot_sources() {
  local here
  # shellcheck disable=SC1091
  here=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk -v here="$here" -v suite="$1" '$1 == "Debian" && index($3, here) == 1 {
      sub("^" here, suite, $3); print "deb " $2 " " $3 " main" }' | sort -u
}

# chroot_base SUITE: the path of its tarball, which is made where there is none.
chroot_base() (
  suite=$1 tarball=$CHROOT_CACHE/$1.tar
  if [ ! -e "$tarball" ]; then
    mkdir -p "$CHROOT_CACHE"
    folder=$(mktemp -d)
    trap 'rm -rf --one-file-system "$folder" "$folder.log" "$tarball.$$"' EXIT
    mirror=$(chroot_sources "$suite" | awk -v suite="$suite" '$3 == suite {print $2; exit}')
    # In a namespace, so that nothing stays mounted.
    unshare --mount debootstrap --variant=minbase --include=ca-certificates,git "$suite" "$folder" ${mirror:+"$mirror"} \
      >"$folder.log" 2>&1 || { tail -n 5 "$folder.log" >&2; die "debootstrap failed"; }
    rm -rf "$folder"/var/cache/apt/archives/*.deb
    tar -C "$folder" -cf "$tarball.$$" . || die "$tarball cannot be written"
    mv "$tarball.$$" "$tarball"
  fi
  echo "$tarball"
)

# chroot_new SUITE FOLDER: a bare system in FOLDER.
chroot_new() {
  local suite=$1 folder=$2 tarball file
  tarball=$(chroot_base "$suite")
  mkdir -p "$folder"
  tar -C "$folder" -xf "$tarball"
  chmod 755 "$folder"  # mktemp -d gave the folder to root alone
  chroot_sources "$suite" >"$folder/etc/apt/sources.list"
  apt-config dump | grep -E '^Acquire::https?::' >"$folder/etc/apt/apt.conf.d/99proxy" || true
  echo force-unsafe-io >"$folder/etc/dpkg/dpkg.cfg.d/unsafe-io"
  for file in /etc/resolv.conf /etc/hosts; do cp -L "$file" "$folder$file"; done
  cp -L /usr/local/share/ca-certificates/*.crt "$folder/usr/local/share/ca-certificates/" 2>/dev/null || true
  chroot "$folder" update-ca-certificates >/dev/null 2>&1
  # pip: its configuration, and the folders that it names.
  for file in /etc/pip.conf /etc/xdg/pip "$HOME/.config/pip" "$HOME/.pip"; do
    [ -e "$file" ] || continue
    case $file in "$HOME"/*) mkdir -p "$folder/etc"; cp -L "$file/pip.conf" "$folder/etc/pip.conf" 2>/dev/null || true ;;
      *) mkdir -p "$folder$(dirname "$file")"; cp -rL "$file" "$folder$(dirname "$file")/" ;;
    esac
  done
  chroot_pip_folders
}

# chroot_pip_folders: the folders that pip's configuration names go into CHROOT_BINDS.
chroot_pip_folders() {
  local file
  while read -r file; do
    case $file in file://*) file=$(dirname "${file#file://}") ;; esac
    [ -d "$file" ] && CHROOT_BINDS+=("$file:$file:ro")
  done < <(/usr/bin/python3 -m pip config list 2>/dev/null | sed "s/^[^=]*=//; s/'//g" | tr -s ' ' '\n' | sort -u)
  return 0
}

# in_chroot FOLDER [--user NAME] COMMAND...: runs it there, in mount and process namespaces that end with it.
in_chroot() {
  local folder=$1 userspec=() home=/root variable
  shift
  if [ "$1" = --user ]; then userspec=(--userspec="$2") home=/home/$2; shift 2; fi
  local environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" LANG=C.UTF-8
    DEBIAN_FRONTEND=noninteractive "${CHROOT_ENV[@]}")
  for variable in $(compgen -e | grep -iE '^((https?|no|all)_proxy|PIP_.*|SSL_CERT_.*|(CURL|REQUESTS)_CA_BUNDLE)$'); do
    environment+=("$variable=${!variable}")
  done
  # shellcheck disable=SC2016
  unshare --mount --propagation private --pid --fork --kill-child bash -c '
    set -e
    folder=$1; shift
    mount -t proc proc "$folder/proc"
    mount -t sysfs -o ro sysfs "$folder/sys"
    mkdir -p "$folder/dev/shm" "$folder/dev/pts"
    mount -t tmpfs tmpfs "$folder/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$folder/dev/pts"
    while [ "$1" != -- ]; do
      IFS=: read -r source target mode <<<"$1"; shift
      if [ -d "$source" ]; then mkdir -p "$folder$target"; else mkdir -p "$folder$(dirname "$target")"; touch "$folder$target"; fi
      mount --bind "$source" "$folder$target"
      [ "$mode" != ro ] || mount -o remount,bind,ro "$folder$target"
    done
    shift
    exec chroot "$@"' in_chroot "$folder" "${CHROOT_BINDS[@]}" -- "${userspec[@]}" "$folder" \
    env -i "${environment[@]}" "$@"
}

# chroot_caches SUITE: later runs in it get what earlier ones fetched (Debian packages, pip's) and the compiler's cache of
# this machine. It is told the base folder of outside, so that the same tree at the same place finds its objects.
chroot_caches() {
  mkdir -p "$CHROOT_CACHE/$1-archives/partial" "$CHROOT_CACHE/pip"
  CHROOT_BINDS+=("$CHROOT_CACHE/$1-archives:/var/cache/apt/archives" "$CHROOT_CACHE/pip:/root/.cache/pip")
  if command -v ccache >/dev/null; then
    mkdir -p "$(ccache -k cache_dir)"
    CHROOT_BINDS+=("$(ccache -k cache_dir):/ccache")
    CHROOT_ENV+=(CCACHE_DIR=/ccache CCACHE_BASEDIR="$(ccache -k base_dir)" CCACHE_MAXSIZE="$(ccache -k max_size)")
    [ "$(ccache -k hash_dir)" = true ] || CHROOT_ENV+=(CCACHE_NOHASHDIR=1)
  fi
}
