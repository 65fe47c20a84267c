#!/bin/bash
# Installs the Debian packages that building, tests and demo need. Package names are in scripts/packages-*.txt.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

zed_install "$zed_root/scripts/packages-build.txt" "$zed_root/scripts/packages-test.txt"
