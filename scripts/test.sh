#!/bin/bash
# Installs what is missing, builds (Release, and with address and undefined sanitizers), runs the tests of both.
#   scripts/test.sh [--long] [options of ctest]
# --long runs randomised suites to their full counts. The last lines are ctest's.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

options=()
for option in "$@"; do
  case $option in
  --long) export ZEDBUS_LONG=1 ;;
  --help | -h)
    sed -n '2,4s/^# //p' "$0"
    exit 0
    ;;
  *) options+=("$option") ;;
  esac
done

"$zed_root/scripts/install-deps.sh"
zed_build release build
zed_build asan build-asan

jobs=$(nproc)
for folder in build build-asan; do
  echo "== tests in $folder"
  ctest --test-dir "$zed_root/$folder" --output-on-failure -j"$jobs" "${options[@]}"
done
