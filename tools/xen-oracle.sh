#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Fetches Debian's Xen, the peer that Ringlet is compared with, and unpacks it
# into cache/. Prints the path of its image on the last line.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tools/debs.sh
. "$root/tools/debs.sh"

pkg=xen-hypervisor-4.17-amd64
out=$root/cache/xen/xen-4.17-amd64

debs_fetch $pkg >&2
deb=$(deb_file $pkg)
if [ ! -e "$out" ] || [ "$deb" -nt "$out" ]; then
	say "unpacking ${deb##*/}" >&2
	mkdir -p "${out%/*}"
	dpkg-deb --fsys-tarfile "$deb" |
		tar -xO ./boot/xen-4.17-amd64.gz | gzip -dc >"$out.new"
	mv "$out.new" "$out"
fi
echo "$out"
