#!/usr/bin/env bash
# Makes the image debian:13-slim from Debian's own packages, for machines that reach a Debian mirror but no image registry.
# Does nothing when the image is already there. Needs root, docker and debootstrap.
set -euo pipefail

image=${1:-debian:13-slim}
suite=trixie
mirror=${DEBIAN_MIRROR:-} # empty: debootstrap's default

if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image is already there"
  exit 0
fi
if ! command -v debootstrap >/dev/null; then
  echo "base-image.sh: debootstrap is not installed (apt-get install debootstrap)" >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "making $image from the packages of $suite"
debootstrap --variant=minbase "$suite" "$work/root" ${mirror:+"$mirror"} >"$work/log" 2>&1 || {
  tail -n 20 "$work/log" >&2
  exit 1
}
rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* \
  "$work"/root/usr/share/{doc,man,locale}/*
# The host's own apt settings (a mirror behind a proxy, say) hold for the packages the image will install, too.
if [ -n "${BASE_IMAGE_APT_CONF:-}" ]; then
  cp "$BASE_IMAGE_APT_CONF" "$work/root/etc/apt/apt.conf.d/99host"
fi
tar -C "$work/root" --numeric-owner -c . | docker import --change 'CMD ["bash"]' - "$image" >/dev/null
echo "made $image"
