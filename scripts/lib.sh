# Shared by the scripts: installing Debian packages, building. Sourced, not run.
# shellcheck shell=bash

zed_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

zed_die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# Run as root: as we are, or with sudo.
zed_as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -- "$@"
  else
    zed_die "installing packages needs root or sudo"
  fi
}

# Names in package list files: one a line, # begins a comment.
zed_package_names() {
  sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@"
}

zed_missing_packages() {
  local name
  for name in $(zed_package_names "$@"); do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

# Packages may bring services (nats-server does); none is started: tests and demo start their own.
zed_install_quietly() {
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=1
  fi
  local status=0
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" || status=$?
  [ -z "$made" ] || rm -f "$policy"
  return "$status"
}

# zed_install LIST...: install what these lists name and is not there.
zed_install() {
  local missing
  missing=$(zed_missing_packages "$@")
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || zed_die "not a Debian system; needed: $missing"
  echo "installing: ${missing//$'\n'/ }"
  zed_as_root apt-get update -q
  # shellcheck disable=SC2086 # one word a package
  zed_as_root bash -c "$(declare -f zed_install_quietly); zed_install_quietly \"\$@\"" install $missing
}

# zed_build PRESET FOLDER [TARGET...]: configure by preset of CMakePresets.json and build.
zed_build() {
  local preset=$1 folder=$2 launcher=()
  shift 2
  if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
  fi
  (cd "$zed_root" && cmake --preset "$preset" "${launcher[@]}" >"$folder.log" 2>&1) || {
    cat "$zed_root/$folder.log" >&2
    zed_die "configuring $folder failed"
  }
  rm -f "$zed_root/$folder.log"
  if [ $# -gt 0 ]; then
    cmake --build "$zed_root/$folder" --target "$@"
  else
    cmake --build "$zed_root/$folder"
  fi
}
